#include "image/structure_reader.h"

#include <string>
#include <utility>

#include "bytes/try.h"
#include "format/header.h"
#include "format/rules.h"

namespace vhdx {

const HeaderInfo* HeaderInUse(const ImageStructures& found) {
  if (found.current_header) return &*found.headers[*found.current_header].fields;
  for (const HeaderStructure& header : found.headers) {
    if (header.fields) return &*header.fields;
  }
  return nullptr;
}

void StructureReader::ReadSize() {
  auto size = file_.Size();
  if (size) {
    file_size_ = *size;
  } else {
    problems_->Refuse(found_.file, std::move(size.error()));
  }
}

Error StructureReader::CutBefore(uint64_t end) const {
  return CorruptError(rules::kFileTruncated, At(file_size_),
                      "a file of " + std::to_string(file_size_) + " bytes",
                      "at least " + std::to_string(end));
}

void StructureReader::RefuseUnread(StructureVerdict& of, FileRange range, Error error,
                                   bool is_known_to_be_cut) {
  if (is_known_to_be_cut && error.rule == rules::kFileTruncated.id) {
    of.error = CutBefore(range.file_offset + range.length_bytes);
  } else {
    problems_->Refuse(of, std::move(error));
  }
}

Result<StructureReader::Copy> StructureReader::Read(uint64_t file_offset, uint64_t length) {
  Copy bytes(length);
  VHDX_TRY(file_.ReadExactAt(file_offset, bytes));
  return bytes;
}

StructureReader::Copy StructureReader::ReadCopy(const Place& place, uint64_t length,
                                                const Rule& unreadable, StructureVerdict& of,
                                                std::optional<Error>& host_error) {
  auto read = Read(place.file_offset, length);
  if (read) return *std::move(read);
  if (read.error().code != ErrorCode::kIo) {
    RefuseUnread(of, {place.file_offset, length}, std::move(read.error()),
                 found_.file.error.has_value());
  } else if (host_error) {
    of.error = read.error();
    host_error = std::move(read.error());
  } else {
    problems_->Add(of, unreadable, place, read.error().sentence);
    host_error = std::move(read.error());
  }
  return {};
}

std::optional<FileRange> StructureReader::UsableLogRange() const {
  const HeaderInfo* header = HeaderInUse(found_);
  return header == nullptr ? std::nullopt : format::UsableLog(*header, file_size_);
}

}  // namespace vhdx
