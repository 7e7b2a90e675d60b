// The outcome of `vhdx resize`, as JSON and as text.

#ifndef VHDXKIT_CLI_RESIZE_DOCUMENT_H_
#define VHDXKIT_CLI_RESIZE_DOCUMENT_H_

#include <vhdxkit/resize.h>

#include <string>
#include <vector>

#include "cli/batch_table.h"
#include "json/json.h"

namespace vhdx::cli {

/// What was done, or, after a dry run, what would be done.
struct ResizeOutcome {
  ResizeReport report = {};
  bool dry_run = false;
};

/// {filename, old-size, new-size, old-file-size, new-file-size, bat-moved, host-space-needed,
/// dry-run}, and, where there is something to say, blocks-freed, parent-hidden, backup-gpt-stays
/// and next-commands.
Json ResizeToJson(const ResizeOutcome& outcome);

std::string ResizeToText(const ResizeOutcome& outcome);

/// The headings of the table for many files, and the line of one.
std::vector<std::string> ResizeHeadings();
BatchRow ResizeToRow(const ResizeOutcome& outcome);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_RESIZE_DOCUMENT_H_
