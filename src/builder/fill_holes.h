// A file without holes, for programs that refuse a sparse one.

#ifndef VHDXKIT_BUILDER_FILL_HOLES_H_
#define VHDXKIT_BUILDER_FILL_HOLES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

namespace vhdx {

/// Writes zeros wherever the host has nothing of the file, or has only reserved the space: a copy
/// of it then has no holes either. Errors: those of File; kCancelled.
Result<void> FillHoles(File& file, const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_FILL_HOLES_H_
