#include "io/posix_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/host_folder.h"
#include "testing/memory_file.h"

namespace vhdx {
namespace {

using testing::HostFolderTest;
using testing::PatternBytes;
using testing::ReadAll;

using PosixFileTest = HostFolderTest;

/// Puts zeros where the range is, growing the bytes.
void Zero(std::vector<std::byte>& bytes, size_t offset, size_t length) {
  bytes.resize(std::max(bytes.size(), offset + length));
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(offset), length, std::byte{0});
}

// -- Reading and writing --

TEST_F(PosixFileTest, WrittenReadsBack) {
  const auto file = New("a");
  const std::vector<std::byte> bytes = PatternBytes(10000);
  ASSERT_TRUE(file->WriteAt(5 * kGiB, ByteSpan(bytes)));
  std::vector<std::byte> read(10000);
  ASSERT_TRUE(file->ReadExactAt(5 * kGiB, read));
  EXPECT_EQ(read, bytes);
  EXPECT_EQ(*file->Size(), 5 * kGiB + 10000);
  EXPECT_LT(*file->AllocatedBytes(), kMiB);
}

TEST_F(PosixFileTest, MoreBuffersThanOneCallTakesKeepTheirOrder) {
  const auto file = New("a");
  const std::vector<std::byte> bytes = PatternBytes(3000 * 7);
  std::vector<ByteSpan> sources;
  std::vector<std::byte> read(bytes.size() + 7, std::byte{0xff});
  std::vector<MutableByteSpan> targets;
  for (size_t i = 0; i < 3000; ++i) {
    sources.push_back(ByteSpan(bytes).subspan(i * 7, 7));
    if (i % 100 == 0) sources.emplace_back();
    targets.push_back(MutableByteSpan(read).subspan(i * 7, 7));
    if (i % 100 == 0) targets.emplace_back();
  }
  targets.push_back(MutableByteSpan(read).last(7));
  ASSERT_TRUE(file->WriteAt(3, sources));
  EXPECT_EQ(*file->Size(), 3 + bytes.size());
  EXPECT_EQ(*file->ReadAt(3, targets), bytes.size());  // the last buffer lies behind the end
  read.resize(bytes.size());
  EXPECT_EQ(read, bytes);
}

TEST_F(PosixFileTest, LongWritesReadBackHoweverTheHostAllocates) {
  const std::vector<std::byte> bytes = PatternBytes(2 * kMiB + 1);
  for (const bool by_page : {false, true}) {
    // Written in pieces where the host caches in folios.
    PosixFile file({.descriptor = FileDescriptor(::open(PathOf(by_page ? "a" : "b").c_str(),
                                                        O_CREAT | O_RDWR | O_CLOEXEC, 0600)),
                    .name = "a",
                    .identity = {},
                    .capabilities = {.writable = true},
                    .allocates_by_page = by_page,
                    .caches_in_folios = by_page});
    ASSERT_TRUE(file.WriteAt(kMiB + 3, ByteSpan(bytes)));
    ASSERT_TRUE(file.WriteAt(10 * kMiB, ByteSpan(bytes)));
    ASSERT_TRUE(file.WriteAt(kMiB + 3, ByteSpan(bytes)));  // in place
    EXPECT_EQ(*file.Size(), 10 * kMiB + bytes.size());
    EXPECT_LT(*file.AllocatedBytes(), 5 * kMiB);
    std::vector<std::byte> expected(10 * kMiB);
    std::ranges::copy(bytes, expected.begin() + kMiB + 3);
    expected.insert(expected.end(), bytes.begin(), bytes.end());
    EXPECT_TRUE(ReadAll(file) == expected);
  }
}

TEST_F(PosixFileTest, LongWriteNeedsNoHostThatCanAllocate) {
  PosixFile file({.descriptor = FileDescriptor(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
                  .name = "null",
                  .identity = {},
                  .capabilities = {.writable = true},
                  .allocates_by_page = true});
  EXPECT_TRUE(file.WriteAt(0, ByteSpan(PatternBytes(kMiB))));
}

TEST_F(PosixFileTest, RandomAccessIsAdvisedWhereItMakesADifference) {
  for (const bool folios : {false, true}) {
    PosixFile file({.descriptor = FileDescriptor(
                        ::open(PathOf("a").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)),
                    .name = "a",
                    .identity = {},
                    .capabilities = {.writable = true},
                    .caches_in_folios = folios});
    EXPECT_EQ(file.AdviseRandomAccess(), folios);
    file.ReadAhead({0, kMiB});  // advice, where nothing is
    file.ReadAhead({UINT64_MAX, UINT64_MAX});
    EXPECT_EQ(*file.Size(), 0U);
  }
}

TEST_F(PosixFileTest, ReadsBehindTheEndAreShortHoweverFar) {
  const auto file = New("a");
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(PatternBytes(10))));
  std::vector<std::byte> read(20);
  EXPECT_EQ(*file->ReadAt(4, read), 6U);
  EXPECT_EQ(*file->ReadAt(10, read), 0U);
  EXPECT_EQ(*file->ReadAt(UINT64_MAX, read), 0U);
  const std::array<MutableByteSpan, 2> two = {MutableByteSpan(read).first(5),
                                              MutableByteSpan(read).last(5)};
  EXPECT_EQ(*file->ReadAt(INT64_MAX, two), 0U);
  const Result<void> exact = file->ReadExactAt(4, read);
  ASSERT_FALSE(exact);
  EXPECT_EQ(exact.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(exact.error().rule, "file.truncated");
  EXPECT_EQ(exact.error().found, "6 bytes");
  EXPECT_EQ(exact.error().expected, "20 bytes");
}

TEST_F(PosixFileTest, WritesBeyondEveryFileHaveNoSpace) {
  const auto file = New("a");
  EXPECT_EQ(file->WriteAt(UINT64_MAX - 5, ByteSpan(PatternBytes(3))).error().code,
            ErrorCode::kNoSpace);
  EXPECT_EQ(file->Resize(UINT64_MAX).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(*file->Size(), 0U);
}

TEST_F(PosixFileTest, FailureSaysWhatWhereAndWhy) {
  ASSERT_NE(New("a"), nullptr);
  // A descriptor that cannot be read stands in for a disk that fails.
  OpenedFile opened = {
      .descriptor = FileDescriptor(::open(PathOf("a").c_str(), O_WRONLY | O_CLOEXEC)),
      .name = "disk.vhdx",
      .identity = {},
      .capabilities = {}};
  PosixFile file(std::move(opened));
  std::vector<std::byte> bytes(4096);
  const Result<size_t> read = file.ReadAt(kMiB, bytes);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
  EXPECT_EQ(read.error().sys_errno, EBADF);
  EXPECT_EQ(read.error().file_offset, kMiB);
  EXPECT_EQ(ToString(read.error()),
            "disk.vhdx: cannot read 4096 bytes at offset 1048576: Bad file descriptor");
}

TEST_F(PosixFileTest, ReadOnlyRefusesEveryChange) {
  ASSERT_TRUE(New("a")->WriteAt(0, ByteSpan(PatternBytes(100))));
  const auto file = Open("a");
  EXPECT_FALSE(file->capabilities().writable);
  EXPECT_EQ(file->WriteAt(0, ByteSpan(PatternBytes(1))).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file->Resize(0).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file->ZeroRange({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file->PunchHole({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file->CloneRange(0, *file, {0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(ReadAll(*file), PatternBytes(100));
}

// A pipe, which cannot be synced, and the number of its descriptor.
OpenedFile OpenedPipe(const FileCapabilities& capabilities, int& fd) {
  std::array<int, 2> ends = {-1, -1};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const FileDescriptor other_end(ends[1]);
  fd = ends[0];
  return {
      .descriptor = FileDescriptor(fd), .name = "a", .identity = {}, .capabilities = capabilities};
}

TEST_F(PosixFileTest, FailedSyncIsNeverTakenBack) {
  int fd = -1;
  PosixFile file(OpenedPipe({.writable = true}, fd));
  EXPECT_EQ(file.Sync().error().code, ErrorCode::kIo);
  const FileDescriptor good(::open(folder().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::dup2(good.get(), fd), fd);  // from here on the host would succeed
  ASSERT_EQ(::fdatasync(fd), 0);
  EXPECT_EQ(file.Sync().error().sys_errno, EINVAL);
}

// As on squashfs, where the base of a child may lie.
TEST_F(PosixFileTest, WhatNobodyCanWriteNeedsNoSync) {
  int fd = -1;
  PosixFile file(OpenedPipe({.writable = false}, fd));
  EXPECT_TRUE(file.Sync());
}

// -- Space --

TEST_F(PosixFileTest, ResizeCutsAndExtendsWithZeros) {
  const auto file = New("a");
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(PatternBytes(100))));
  ASSERT_TRUE(file->Resize(50));
  ASSERT_TRUE(file->Resize(200));
  std::vector<std::byte> expected = PatternBytes(100);
  Zero(expected, 50, 150);
  EXPECT_EQ(ReadAll(*file), expected);
}

TEST_F(PosixFileTest, ZeroRangeZeroesExactlyAndGrows) {
  const auto file = New("a");
  std::vector<std::byte> expected = PatternBytes(kMiB);
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(expected)));
  for (const FileRange range :
       {FileRange{100, 10}, FileRange{4095, 300000}, FileRange{kMiB - 7, 600000}}) {
    ASSERT_TRUE(file->ZeroRange(range));
    Zero(expected, range.file_offset, range.length_bytes);
    EXPECT_EQ(ReadAll(*file), expected);
  }
  ASSERT_TRUE(file->ZeroRange({5 * kMiB, 0}));
  EXPECT_EQ(*file->Size(), expected.size());
}

TEST_F(PosixFileTest, PunchedHoleReadsZerosAndIsFound) {
  const auto file = New("a");
  std::vector<std::byte> expected = PatternBytes(kMiB);
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(expected)));
  const Result<void> punched = file->PunchHole({64 * kKiB, 512 * kKiB});
  if (!punched && punched.error().code == ErrorCode::kUnsupported) {
    GTEST_SKIP() << "no holes on the file system of " << folder();
  }
  ASSERT_TRUE(punched);
  Zero(expected, 64 * kKiB, 512 * kKiB);
  EXPECT_EQ(ReadAll(*file), expected);
  EXPECT_LT(*file->AllocatedBytes(), kMiB);
  EXPECT_EQ(*file->NextHole(0), 64 * kKiB);
  EXPECT_EQ(*file->NextHole(70 * kKiB), 70 * kKiB);
  EXPECT_EQ(*file->NextData(64 * kKiB), 576 * kKiB);
  EXPECT_EQ(*file->NextHole(576 * kKiB), kMiB);
}

TEST_F(PosixFileTest, EndOfTheFileIsAHoleWithoutDataBehindIt) {
  const auto file = New("a");
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(PatternBytes(100))));
  ASSERT_TRUE(file->Resize(kMiB));
  EXPECT_EQ(*file->NextData(512 * kKiB), kMiB);
  for (const uint64_t offset : {kMiB, 2 * kMiB, uint64_t{UINT64_MAX}}) {
    EXPECT_EQ(*file->NextData(offset), kMiB) << offset;
    EXPECT_EQ(*file->NextHole(offset), kMiB) << offset;
  }
}

TEST_F(PosixFileTest, OnlyFilesOfTheHostShareTheirBytes) {
  const auto target = New("b");
  testing::MemoryFile memory;
  EXPECT_EQ(target->CloneRange(0, memory, {0, 1}).error().code, ErrorCode::kUnsupported);
}

TEST_F(PosixFileTest, CloneSharesOrRefusesWithoutChange) {
  const auto source = New("a");
  const auto target = New("b");
  const std::vector<std::byte> bytes = PatternBytes(kMiB);
  ASSERT_TRUE(source->WriteAt(0, ByteSpan(bytes)));
  const Result<void> cloned = target->CloneRange(0, *source, {0, kMiB});
  if (!cloned) {
    EXPECT_EQ(cloned.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(*target->Size(), 0U);
  } else {
    EXPECT_EQ(ReadAll(*target), bytes);
  }
  EXPECT_TRUE(target->CloneRange(0, *source, {0, 0}));  // nothing, not "to the end"
  EXPECT_EQ(*target->Size(), cloned ? kMiB : 0);
}

}  // namespace
}  // namespace vhdx
