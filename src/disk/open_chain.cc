#include "disk/open_chain.h"

#include <vhdxkit/forwarding_file.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "bytes/try.h"
#include "disk/image_layer.h"
#include "disk/open_image.h"
#include "format/rules.h"

namespace vhdx {
namespace {

bool IsForReadingOnly(const ChainOptions& chain) {
  return !chain.parents.empty() || chain.ignore_parent_id || chain.images.ignore_log;
}

// Opens what the host's page cache is not to hold.
class DirectFiles final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    OpenFileOptions direct = options;
    direct.direct = true;
    return base().Open(path, direct);
  }
};

}  // namespace

Result<std::unique_ptr<LayerStack>> OpenChain(FileSystem& files, const std::string& path,
                                              const OpenOptions& options) {
  const ChainOptions& chain = options.chain;
  if (options.access == DiskAccess::kReadWrite && IsForReadingOnly(chain)) {
    return Fail(ErrorCode::kInvalidArgument,
                "a disk whose parents or log were overridden can only be read", path);
  }
  DirectFiles direct_files(files);
  FileSystem& opener = options.direct ? direct_files : files;
  std::vector<std::shared_ptr<Layer>> layers;
  std::vector<FileIdentity> identities;
  Findings findings;
  auto image = OpenTopImage(opener, path, options.access, chain.images, findings);
  for (;;) {
    if (!image) return std::unexpected(std::move(image.error()));
    const FileIdentity identity = (*image)->file().identity();
    const Place place{(*image)->info().filename, 0};
    if (std::ranges::find(identities, identity) != identities.end()) {
      return Corrupt(rules::kParentLoop, place);
    }
    identities.push_back(identity);
    Image& child = **image;
    layers.push_back(std::make_shared<ImageLayer>(*std::move(image)));
    if (!child.info().parameters.has_parent) break;
    if (layers.size() >= chain.max_chain_depth) {
      return Corrupt(rules::kParentDepth, place, std::to_string(layers.size()) + " images and more",
                     "at most " + std::to_string(chain.max_chain_depth));
    }
    Findings parent_findings;
    image = OpenParent(opener, child, layers.size() - 1, chain, parent_findings);
  }
  VHDX_TRY(RefuseUnusedParents(*layers.back()->image(), layers.size(), chain));
  return std::make_unique<LayerStack>(std::move(layers));
}

}  // namespace vhdx
