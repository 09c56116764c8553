#pragma once

#include <cstdint>
#include <memory>

#include "layering/layer_archive.h"
#include "plugin/registry/http_message.h"

namespace stowage {

// Bytes [begin, end) of a layer's tar as they are: headers and small files by send(2), larger files
// by sendfile(2). When the socket is full it stops and later continues from the same place, so a
// waiting client holds no thread, and at most one open file.
//
// layer: owners are this body and the ImageSource that caches it.
std::unique_ptr<BodyStream> MakeLayerBody(std::shared_ptr<const LayerArchive> layer, uint64_t begin,
                                          uint64_t end);

}  // namespace stowage
