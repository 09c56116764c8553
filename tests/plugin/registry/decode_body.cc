#include "tests/plugin/registry/decode_body.h"

#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <stdexcept>
#include <vector>

namespace stowage::testing {
namespace {

std::string DecodeGzip(const std::string& encoded) {
  z_stream stream = {};
  if (::inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw std::runtime_error("inflateInit2");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, ::inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(encoded.data()));
  stream.avail_in = static_cast<uInt>(encoded.size());
  std::string decoded;
  std::vector<char> buffer(1 << 16);
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = ::inflate(&stream, Z_NO_FLUSH);
    decoded.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  if (result != Z_STREAM_END || stream.avail_in != 0) throw std::runtime_error("damaged gzip");
  return decoded;
}

std::string DecodeZstd(const std::string& encoded) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  ZSTD_inBuffer in = {encoded.data(), encoded.size(), 0};
  std::string decoded;
  std::vector<char> buffer(1 << 16);
  size_t result = 1;
  while (result != 0) {
    ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
    result = ZSTD_decompressStream(context.get(), &out, &in);
    decoded.append(buffer.data(), out.pos);
    if (ZSTD_isError(result) || (result != 0 && in.pos == in.size && out.pos < out.size))
      throw std::runtime_error("damaged zstd");
  }
  if (in.pos != in.size) throw std::runtime_error("bytes after zstd");
  return decoded;
}

}  // namespace

std::string DecodeBody(const std::string& encoded, ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return DecodeGzip(encoded);
    case ContentCoding::kZstd:
      return DecodeZstd(encoded);
    case ContentCoding::kIdentity:
      break;
  }
  return encoded;
}

}  // namespace stowage::testing
