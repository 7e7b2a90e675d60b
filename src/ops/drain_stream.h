// The bytes of a stream, taken to where they are to go.

#ifndef VHDXKIT_OPS_DRAIN_STREAM_H_
#define VHDXKIT_OPS_DRAIN_STREAM_H_

#include <vhdxkit/convert.h>
#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include <functional>

#include "ops/zero_runs.h"

namespace vhdx {

/// Calls `put` with each run of zeros or of data, in order, until the stream ends. Errors:
/// kInvalidArgument (nothing came); kCancelled; those of the stream and `put`.
Result<CopyReport> DrainStream(const ReadStream& source,
                               const std::function<Result<void>(const ByteRun&)>& put,
                               const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_DRAIN_STREAM_H_
