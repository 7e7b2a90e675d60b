// Mutexes with clang's thread-safety annotations, so that the compiler checks who holds what.

#ifndef VHDXKIT_BYTES_MUTEX_H_
#define VHDXKIT_BYTES_MUTEX_H_

#include <pthread.h>

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define VHDX_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define VHDX_THREAD_ANNOTATION(x)
#endif

#define VHDX_GUARDED_BY(x) VHDX_THREAD_ANNOTATION(guarded_by(x))
#define VHDX_REQUIRES(...) VHDX_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define VHDX_REQUIRES_SHARED(...) VHDX_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
#define VHDX_EXCLUDES(...) VHDX_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace vhdx {

class VHDX_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() VHDX_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() VHDX_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  /// Releases it until `changed` is notified, and takes it again.
  void Wait(std::condition_variable& changed) VHDX_REQUIRES(this) {
    std::unique_lock<std::mutex> held(mutex_, std::adopt_lock);
    changed.wait(held);
    held.release();
  }

 private:
  std::mutex mutex_;
};

class VHDX_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VHDX_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() VHDX_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Many readers or one writer. A waiting writer takes precedence over later readers; with
/// std::shared_mutex, overlapping readers could keep it waiting forever.
class VHDX_THREAD_ANNOTATION(capability("shared_mutex")) SharedMutex {
 public:
  SharedMutex() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~SharedMutex() { pthread_rwlock_destroy(&lock_); }
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void Lock() VHDX_THREAD_ANNOTATION(acquire_capability()) { pthread_rwlock_wrlock(&lock_); }
  void Unlock() VHDX_THREAD_ANNOTATION(release_capability()) { pthread_rwlock_unlock(&lock_); }
  void LockShared() VHDX_THREAD_ANNOTATION(acquire_shared_capability()) {
    pthread_rwlock_rdlock(&lock_);
  }
  void UnlockShared() VHDX_THREAD_ANNOTATION(release_shared_capability()) {
    pthread_rwlock_unlock(&lock_);
  }

 private:
  pthread_rwlock_t lock_;
};

class VHDX_THREAD_ANNOTATION(scoped_lockable) ExclusiveLock {
 public:
  explicit ExclusiveLock(SharedMutex& mutex) VHDX_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~ExclusiveLock() VHDX_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class VHDX_THREAD_ANNOTATION(scoped_lockable) SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) VHDX_THREAD_ANNOTATION(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex_.LockShared();
  }
  ~SharedLock() VHDX_THREAD_ANNOTATION(release_generic_capability()) { mutex_.UnlockShared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_MUTEX_H_
