#include "base/subprocess.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace stowage {
namespace {

constexpr size_t kPieceBytes = 1 << 16;
constexpr size_t kKeptStderrBytes = 1 << 20;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "create a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// The file that execvp would run. Looked up before fork(): between fork and exec only
// async-signal-safe calls are allowed.
absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = ::getenv("PATH");
  for (absl::string_view directory :
       absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = absl::StrCat(directory.empty() ? "." : directory, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("program '", name, "' is not in PATH"));
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

struct ChildDescriptors {
  int standard_input, standard_output, standard_error, exec_error;
};

// Runs in the child. Reports errno through exec_error when exec fails.
[[noreturn]] void ExecChild(const char* program, char* const* argv, char* const* environment,
                            const char* directory, const ChildDescriptors& fds, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  // Libraries open descriptors without O_CLOEXEC (Boost.Asio: sockets). A program that outlives us
  // for a moment would keep our port from the next of us.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::getppid() == parent && ::dup2(fds.standard_input, 0) >= 0 &&
      ::dup2(fds.standard_output, 1) >= 0 && ::dup2(fds.standard_error, 2) >= 0 &&
      (directory == nullptr || ::chdir(directory) == 0))
    ::execve(program, argv, environment);
  const int error = errno;
  (void)!::write(fds.exec_error, &error, sizeof error);
  ::_exit(127);
}

// A started child with its pipes. Kills and reaps the child in the destructor if that was not done
// before.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    Signal(SIGKILL);
    (void)Reap();
  }

  absl::Status Start(const SubprocessOptions& options);
  void Signal(int number) const { (void)::kill(-pid_, number); }
  // Waits for the end. Returns the exit code, or 128 + signal number.
  int Reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  int process_fd() const { return process_fd_.get(); }

  UniqueFd standard_input, standard_output, standard_error;

 private:
  pid_t pid_ = -1;
  UniqueFd process_fd_;
};

absl::Status Child::Start(const SubprocessOptions& options) {
  if (options.argv.empty()) return absl::InvalidArgumentError("run a program: empty argument list");
  STOWAGE_ASSIGN_OR_RETURN(const std::string program, FindProgram(options.argv[0]));
  STOWAGE_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  STOWAGE_ASSIGN_OR_RETURN(Pipe error, MakePipe());
  STOWAGE_ASSIGN_OR_RETURN(Pipe exec_error, MakePipe());
  Pipe in;
  if (options.standard_input.empty()) {
    STOWAGE_ASSIGN_OR_RETURN(in.read_end, OpenAt(AT_FDCWD, "/dev/null", O_RDONLY));
  } else {
    STOWAGE_ASSIGN_OR_RETURN(in, MakePipe());
  }
  const std::vector<char*> argv = Pointers(options.argv);
  const std::vector<char*> environment = Pointers(options.environment);
  const char* directory =
      options.working_directory.empty() ? nullptr : options.working_directory.c_str();
  const ChildDescriptors fds = {in.read_end.get(), out.write_end.get(), error.write_end.get(),
                                exec_error.write_end.get()};
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("start ", program));
  if (pid_ == 0)
    ExecChild(program.c_str(), argv.data(),
              options.environment.empty() ? ::environ : environment.data(), directory, fds, parent);
  (void)::setpgid(
      pid_,
      pid_);  // the child does the same; whoever is first, the group exists before the first kill
  exec_error.write_end.Reset();
  int code = 0;
  if (::read(exec_error.read_end.get(), &code, sizeof code) == sizeof code) {
    (void)Reap();
    return absl::ErrnoToStatus(code, absl::StrCat("start ", program));
  }
  process_fd_.Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process_fd_) return absl::ErrnoToStatus(errno, absl::StrCat("watch ", program));
  standard_input = std::move(in.write_end);
  standard_output = std::move(out.read_end);
  standard_error = std::move(error.read_end);
  return absl::OkStatus();
}

// Moves bytes between the pipes and the caller until the child has ended and its output is read.
class Exchange {
 public:
  Exchange(const SubprocessOptions& options, Child& child, int stop_fd)
      : options_(options), child_(child), stop_fd_(stop_fd), unsent_(options.standard_input) {}

  absl::StatusOr<SubprocessResult> Run();

 private:
  void Wait();
  void EndChild(absl::Status reason);
  void CheckLimits();
  void ReadStdout();
  void ReadStderr();
  void WriteStdin();

  const SubprocessOptions& options_;
  Child& child_;
  const int stop_fd_;
  absl::string_view unsent_;
  SubprocessResult result_;
  absl::Status verdict_;
  absl::Time kill_time_ = absl::InfiniteFuture();
  absl::Time drain_until_ = absl::InfiniteFuture();
  bool exited_ = false;
};

void Exchange::EndChild(absl::Status reason) {
  if (!verdict_.ok()) return;
  verdict_ = std::move(reason);
  child_.Signal(SIGTERM);
  kill_time_ = absl::Now() + options_.kill_grace;
}

void Exchange::CheckLimits() {
  const absl::Time now = absl::Now();
  if (options_.stop.stop_requested())
    EndChild(absl::CancelledError(absl::StrCat(options_.argv[0], " was cancelled")));
  if (now >= options_.deadline)
    EndChild(absl::DeadlineExceededError(absl::StrCat(options_.argv[0], " did not end in time")));
  if (now >= kill_time_) {
    child_.Signal(SIGKILL);
    kill_time_ = absl::InfiniteFuture();
  }
}

void Exchange::WriteStdin() {
  const ssize_t count =
      ::write(child_.standard_input.get(), unsent_.data(), std::min(unsent_.size(), kPieceBytes));
  if (count > 0) unsent_.remove_prefix(static_cast<size_t>(count));
  // EPIPE: the child needs no more input, which is its right.
  if (unsent_.empty() || (count < 0 && errno != EAGAIN && errno != EINTR))
    child_.standard_input.Reset();
}

void Exchange::ReadStdout() {
  char piece[kPieceBytes];
  const ssize_t count = ::read(child_.standard_output.get(), piece, sizeof piece);
  if (count == 0) child_.standard_output.Reset();
  if (count <= 0) return;
  const absl::string_view bytes(piece, static_cast<size_t>(count));
  if (options_.on_stdout) return options_.on_stdout(bytes);
  if (result_.standard_output.size() + bytes.size() > options_.max_output_bytes)
    return EndChild(absl::ResourceExhaustedError(absl::StrCat(
        options_.argv[0], " printed more than ", options_.max_output_bytes, " bytes")));
  result_.standard_output.append(bytes.data(), bytes.size());
}

void Exchange::ReadStderr() {
  char piece[kPieceBytes];
  const ssize_t count = ::read(child_.standard_error.get(), piece, sizeof piece);
  if (count == 0) child_.standard_error.Reset();
  if (count <= 0) return;
  const absl::string_view bytes(piece, static_cast<size_t>(count));
  if (options_.on_stderr) return options_.on_stderr(bytes);
  std::string& kept = result_.standard_error;
  kept.append(bytes.data(), bytes.size());
  if (kept.size() > 2 * kKeptStderrBytes) kept.erase(0, kept.size() - kKeptStderrBytes);
}

void Exchange::Wait() {
  pollfd fds[5] = {{child_.standard_output.get(), POLLIN, 0},
                   {child_.standard_error.get(), POLLIN, 0},
                   {child_.standard_input.get(), POLLOUT, 0},
                   {exited_ ? -1 : child_.process_fd(), POLLIN, 0},
                   {verdict_.ok() ? stop_fd_ : -1, POLLIN, 0}};
  const absl::Time next = std::min(
      {verdict_.ok() ? options_.deadline : absl::InfiniteFuture(), kill_time_, drain_until_});
  const absl::Duration left = std::max(next - absl::Now(), absl::ZeroDuration());
  const int timeout =
      left > absl::Minutes(1) ? 60000 : static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
  if (::poll(fds, 5, timeout) <= 0) return;
  if (fds[0].revents != 0) ReadStdout();
  if (fds[1].revents != 0) ReadStderr();
  if (fds[2].revents != 0) WriteStdin();
  if (fds[3].revents != 0) {
    exited_ = true;
    child_.standard_input.Reset();
    // A grandchild may hold the pipes open for ever; what the child itself wrote is there already.
    drain_until_ = absl::Now() + absl::Milliseconds(200);
  }
}

absl::StatusOr<SubprocessResult> Exchange::Run() {
  while (!exited_ || ((child_.standard_output.valid() || child_.standard_error.valid()) &&
                      absl::Now() < drain_until_)) {
    CheckLimits();
    Wait();
  }
  result_.exit_code = child_.Reap();
  if (!verdict_.ok()) return verdict_;
  return std::move(result_);
}

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessOptions& options) {
  const UniqueFd stop_fd(::eventfd(0, EFD_CLOEXEC));
  if (!stop_fd) return absl::ErrnoToStatus(errno, "create an eventfd");
  const std::stop_callback wake(options.stop, [fd = stop_fd.get()] {
    const uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
  });
  Child child;
  STOWAGE_RETURN_IF_ERROR(child.Start(options));
  if (child.standard_input) (void)::fcntl(child.standard_input.get(), F_SETFL, O_NONBLOCK);
  return Exchange(options, child, stop_fd.get()).Run();
}

}  // namespace stowage
