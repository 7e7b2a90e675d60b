// std::mutex with clang's thread-safety annotations, so that the compiler checks who holds what.

#ifndef VHDXKIT_BYTES_MUTEX_H_
#define VHDXKIT_BYTES_MUTEX_H_

#include <mutex>

#if defined(__clang__)
#define VHDX_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define VHDX_THREAD_ANNOTATION(x)
#endif

#define VHDX_GUARDED_BY(x) VHDX_THREAD_ANNOTATION(guarded_by(x))
#define VHDX_REQUIRES(...) VHDX_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define VHDX_EXCLUDES(...) VHDX_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace vhdx {

class VHDX_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() VHDX_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() VHDX_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

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

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_MUTEX_H_
