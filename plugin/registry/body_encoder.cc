#include "plugin/registry/body_encoder.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace stowage {
namespace {

constexpr size_t kOutputStepBytes = size_t{64} << 10;
constexpr int kZstdLevel = 1;
// Level 1 of ISA-L 2.30 is hardly faster and level 3 takes twice the time for 1 % less.
constexpr uint32_t kGzipLevel = 2;

class GzipEncoder : public BodyEncoder {
 public:
  GzipEncoder() : level_buffer_(ISAL_DEF_LVL2_DEFAULT) {
    isal_deflate_init(&stream_);
    stream_.level = kGzipLevel;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<uint32_t>(level_buffer_.size());
    stream_.gzip_flag = IGZIP_GZIP;
    stream_.flush = NO_FLUSH;
  }

  absl::Status Encode(absl::string_view input, bool last, std::string& output) override {
    // avail_in has 32 bits.
    constexpr size_t kLargestStep = size_t{1} << 30;
    while (input.size() > kLargestStep) {
      STOWAGE_RETURN_IF_ERROR(EncodeStep(input.substr(0, kLargestStep), false, output));
      input.remove_prefix(kLargestStep);
    }
    return EncodeStep(input, last, output);
  }

 private:
  absl::Status EncodeStep(absl::string_view input, bool last, std::string& output) {
    // The library only reads through next_in, which is not const for C's sake.
    stream_.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input.data()));
    stream_.avail_in = static_cast<uint32_t>(input.size());
    stream_.end_of_stream = last ? 1 : 0;
    do {
      const size_t before = output.size();
      output.resize(before + kOutputStepBytes);
      stream_.next_out = reinterpret_cast<uint8_t*>(output.data() + before);
      stream_.avail_out = static_cast<uint32_t>(kOutputStepBytes);
      const int result = isal_deflate(&stream_);
      output.resize(output.size() - stream_.avail_out);
      if (result != COMP_OK)
        return absl::InternalError(absl::StrCat("gzip: isal_deflate returned ", result));
    } while (stream_.avail_out == 0);
    return absl::OkStatus();
  }

  std::vector<uint8_t> level_buffer_;
  isal_zstream stream_;
};

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdEncoder : public BodyEncoder {
 public:
  explicit ZstdEncoder(std::unique_ptr<ZSTD_CCtx, FreeContext> context)
      : context_(std::move(context)) {}

  absl::Status Encode(absl::string_view input, bool last, std::string& output) override {
    ZSTD_inBuffer in = {input.data(), input.size(), 0};
    const ZSTD_EndDirective directive = last ? ZSTD_e_end : ZSTD_e_continue;
    while (true) {
      const size_t before = output.size();
      output.resize(before + kOutputStepBytes);
      ZSTD_outBuffer out = {output.data() + before, kOutputStepBytes, 0};
      const size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      output.resize(before + out.pos);
      if (ZSTD_isError(left))
        return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(left)));
      if (last ? left == 0 : in.pos == in.size) return absl::OkStatus();
    }
  }

 private:
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BodyEncoder>> BodyEncoder::Create(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return std::make_unique<GzipEncoder>();
    case ContentCoding::kZstd: {
      std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
      if (!context) return absl::ResourceExhaustedError("zstd: no memory for a context");
      const size_t result =
          ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kZstdLevel);
      if (ZSTD_isError(result))
        return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(result)));
      return std::make_unique<ZstdEncoder>(std::move(context));
    }
    case ContentCoding::kIdentity:
      break;
  }
  return absl::InvalidArgumentError("identity coding has no encoder");
}

}  // namespace stowage
