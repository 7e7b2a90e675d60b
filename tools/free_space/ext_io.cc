#include "tools/free_space/ext_io.h"

#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"

namespace vhdx::free_space {
namespace {

ExtSource* SourceNamed(const char* name) {
  uintptr_t address = 0;
  std::from_chars(name, name + std::strlen(name), address, 16);
  return reinterpret_cast<ExtSource*>(address);
}

errcode_t Open(const char* name, int, io_channel* result) {
  auto channel = std::make_unique<struct_io_channel>();
  std::memset(channel.get(), 0, sizeof(*channel));
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = ExtSourceManager();
  channel->block_size = 1024;
  channel->refcount = 1;
  channel->private_data = SourceNamed(name);
  *result = channel.release();
  return 0;
}

errcode_t Close(io_channel channel) {
  if (--channel->refcount == 0) delete channel;
  return 0;
}

errcode_t SetBlockSize(io_channel channel, int block_size) {
  channel->block_size = block_size;
  return 0;
}

// A negative count is one of bytes.
errcode_t ReadBlocks64(io_channel channel, unsigned long long block, int count, void* data) {
  const auto block_size = static_cast<uint64_t>(channel->block_size);
  const uint64_t length = count < 0 ? static_cast<uint64_t>(-int64_t{count})
                                    : static_cast<uint64_t>(count) * block_size;
  const auto offset = CheckedMultiply(block, block_size);
  if (!offset) return EXT2_ET_SHORT_READ;
  return static_cast<ExtSource*>(channel->private_data)->Read(*offset, length, data);
}

errcode_t ReadBlocks(io_channel channel, unsigned long block, int count, void* data) {
  return ReadBlocks64(channel, block, count, data);
}

errcode_t WriteBlocks(io_channel, unsigned long, int, const void*) { return EXT2_ET_RO_FILSYS; }
errcode_t WriteBlocks64(io_channel, unsigned long long, int, const void*) {
  return EXT2_ET_RO_FILSYS;
}
errcode_t Flush(io_channel) { return 0; }

}  // namespace

// libext2fs hands a manager nothing but the name of a file, so the name is an address.
std::string ExtSource::Name() const { return Format("{:x}", reinterpret_cast<uintptr_t>(this)); }

errcode_t ExtSource::Read(uint64_t offset, size_t length, void* buffer) {
  if (!status_ || reads_left_ == 0) return EXT2_ET_SHORT_READ;
  --reads_left_;
  if (!FitsInside(offset, length, volume_.size_bytes())) return EXT2_ET_SHORT_READ;
  auto read = volume_.Read(offset, {static_cast<std::byte*>(buffer), length});
  if (read) return 0;
  status_ = std::move(read);
  return EXT2_ET_SHORT_READ;
}

io_manager ExtSourceManager() {
  static struct_io_manager manager = [] {
    struct_io_manager made = {};
    made.magic = EXT2_ET_MAGIC_IO_MANAGER;
    made.name = "vhdxkit";
    made.open = Open;
    made.close = Close;
    made.set_blksize = SetBlockSize;
    made.read_blk = ReadBlocks;
    made.read_blk64 = ReadBlocks64;
    made.write_blk = WriteBlocks;
    made.write_blk64 = WriteBlocks64;
    made.flush = Flush;
    return made;
  }();
  return &manager;
}

}  // namespace vhdx::free_space
