// A range of a file, page by page.

#ifndef VHDXKIT_TESTING_PAGE_PARTS_H_
#define VHDXKIT_TESTING_PAGE_PARTS_H_

#include <vhdxkit/file.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace vhdx::testing {

/// The part of a range that lies in one page.
struct PagePart {
  uint64_t page;
  size_t start;  ///< inside the page
  size_t length;
  size_t done;  ///< bytes of the range before it
};

/// Calls `visit(PagePart)` for each page that the range touches.
template <uint64_t page_bytes, typename Visit>
void ForEachPage(FileRange range, Visit visit) {
  uint64_t done = 0;
  while (done < range.length_bytes) {
    const uint64_t at = range.file_offset + done;
    const uint64_t length = std::min(page_bytes - at % page_bytes, range.length_bytes - done);
    visit(PagePart{at / page_bytes, static_cast<size_t>(at % page_bytes),
                   static_cast<size_t>(length), static_cast<size_t>(done)});
    done += length;
  }
}

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_PAGE_PARTS_H_
