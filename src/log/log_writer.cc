#include "log/log_writer.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "io/holes.h"

namespace vhdx::log {
namespace {

using format::DataDescriptor;
using format::DataSector;
using format::kDescriptorSize;
using format::kLogSectorSize;
using format::LogEntryHeader;

// The part of a page that its descriptor carries, since the data sector needs the room.
DataDescriptor DescriptorOf(const Page& page, uint64_t sequence_number) {
  DataDescriptor descriptor{.signature = format::kDataDescriptorSignature,
                            .trailing_bytes = {},
                            .leading_bytes = {},
                            .file_offset = page.file_offset,
                            .sequence_number = sequence_number};
  std::copy_n(page.bytes.begin(), descriptor.leading_bytes.size(),
              descriptor.leading_bytes.begin());
  std::copy_n(page.bytes.end() - static_cast<ptrdiff_t>(descriptor.trailing_bytes.size()),
              descriptor.trailing_bytes.size(), descriptor.trailing_bytes.begin());
  return descriptor;
}

DataSector SectorOf(const Page& page, uint64_t sequence_number) {
  DataSector sector{.signature = format::kDataSectorSignature,
                    .sequence_high = static_cast<uint32_t>(sequence_number >> 32),
                    .data = {},
                    .sequence_low = static_cast<uint32_t>(sequence_number)};
  std::copy_n(page.bytes.begin() + offsetof(DataSector, data), sector.data.size(),
              sector.data.begin());
  return sector;
}

// The most pages of which an entry fits into that many sectors.
uint64_t PagesInSectors(uint64_t sectors) {
  uint64_t pages = sectors == 0 ? 0 : sectors - 1;
  while (pages > 0 && format::DescriptorSectorCount(pages) + pages > sectors) --pages;
  return pages;
}

}  // namespace

LogWriter::LogWriter(File& file, FileRange log, uint64_t pages_per_entry)
    : file_(file),
      log_(log),
      pages_per_entry_(
          std::min(pages_per_entry, PagesInSectors(log.length_bytes / kLogSectorSize - 1))) {}

Result<void> LogWriter::Allocate() { return AllocateHoles(file_, log_); }

uint64_t LogWriter::EntryBytes(uint64_t page_count) {
  return (format::DescriptorSectorCount(page_count) + page_count) * kLogSectorSize;
}

bool LogWriter::HasSpaceFor(uint64_t page_count) const {
  return head_ + EntryBytes(page_count) <= log_.length_bytes;
}

Result<void> LogWriter::Begin(const Guid& log_guid, FileLengths lengths) {
  log_guid_ = log_guid;
  head_ = 0;
  pending_.clear();
  VHDX_TRY(WriteEntry({}, lengths));
  pending_.back().checkpointed = true;  // it has no pages
  return {};
}

Result<void> LogWriter::Append(std::span<const Page> pages, FileLengths lengths) {
  return WriteEntry(pages, lengths);
}

Result<void> LogWriter::WriteEntry(std::span<const Page> pages, FileLengths lengths) {
  ++sequence_number_;
  pending_.push_back({.log_offset = head_});
  buffer_.assign(EntryBytes(pages.size()), std::byte{0});
  const std::span<std::byte> entry(buffer_);
  size_t descriptor_offset = sizeof(LogEntryHeader);
  size_t sector_offset = entry.size() - pages.size() * kLogSectorSize;
  for (const Page& page : pages) {
    StoreTo(entry.subspan(descriptor_offset), DescriptorOf(page, sequence_number_));
    StoreTo(entry.subspan(sector_offset), SectorOf(page, sequence_number_));
    descriptor_offset += kDescriptorSize;
    sector_offset += kLogSectorSize;
  }
  LogEntryHeader header{.signature = format::kLogEntrySignature,
                        .checksum = 0,
                        .entry_length = static_cast<uint32_t>(entry.size()),
                        .tail = static_cast<uint32_t>(pending_.front().log_offset),
                        .sequence_number = sequence_number_,
                        .descriptor_count = static_cast<uint32_t>(pages.size()),
                        .reserved = 0,
                        .log_guid = log_guid_,
                        .flushed_file_offset = lengths.flushed_file_offset,
                        .last_file_offset = lengths.last_file_offset};
  StoreTo(entry, header);
  header.checksum = Crc32c(entry);
  StoreTo(entry, header);
  if (auto written = file_.WriteAt(log_.file_offset + head_, ByteSpan(entry)); !written) {
    // The next entry gets its offset and its number.
    --sequence_number_;
    pending_.pop_back();
    return written;
  }
  head_ += entry.size();
  return {};
}

void LogWriter::NoteCheckpointed() {
  for (Pending& pending : pending_) pending.checkpointed = true;
}

void LogWriter::NoteSynced() {
  while (!pending_.empty() && pending_.front().checkpointed) pending_.pop_front();
}

}  // namespace vhdx::log
