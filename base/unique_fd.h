#pragma once

#include <utility>

namespace stowage {

// Owner of one file descriptor; closes it when it goes. Movable, not copyable; not thread-safe.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }

  // Gives the descriptor up to the caller, who must close it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes the descriptor held (errno is kept) and takes `fd` instead; -1 holds nothing.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace stowage
