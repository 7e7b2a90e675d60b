// The tree of `vhdx chain`, drawn and as JSON.

#ifndef VHDXKIT_CLI_IMAGE_TREE_TEXT_H_
#define VHDXKIT_CLI_IMAGE_TREE_TEXT_H_

#include <vhdxkit/image_tree.h>

#include <string>
#include <vector>

#include "json/json.h"

namespace vhdx::cli {

/// An array of all images, in the order in which they were found.
Json TreeToJson(const std::vector<ImageNode>& nodes);

/// With what lines are drawn.
enum class LineDrawing { kAscii, kUnicode };
/// As the environment says what the terminal shows: LC_ALL, LC_CTYPE, LANG.
LineDrawing LineDrawingOfTerminal();

/// Each image below its parent; images without a known parent, and rings of parents, are at the
/// left.
std::string TreeToText(const std::vector<ImageNode>& nodes, LineDrawing drawing);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_IMAGE_TREE_TEXT_H_
