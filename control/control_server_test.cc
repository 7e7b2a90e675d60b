#include "control/control_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "control/control_client.h"
#include "control/unix_socket.h"
#include "json/json.h"
#include "testing/host_folder.h"
#include "testing/outcome.h"

namespace vhdx::control {
namespace {

using std::chrono::milliseconds;
using testing::OutcomeOf;

// A door that a request waits at until the test opens it.
class Door {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

class ControlServerTest : public testing::HostFolderTest {
 protected:
  void Start(milliseconds patience = std::chrono::minutes(1)) {
    auto server =
        ControlServer::Start(path_,
                             {.answer = [this](std::string_view line) { return AnswerTo(line); },
                              .stop = [this] { ++stops_; }},
                             {.patience = patience});
    ASSERT_TRUE(server) << ToString(server.error());
    server_ = *std::move(server);
  }

  // Echoes; some lines do something first.
  Answer AnswerTo(std::string_view line) {
    ++requests_;
    if (line == "wait") door_.Pass();
    if (line == "throw") throw std::runtime_error("thrown");
    if (line == "much") return {.line = std::string(size_t{8} << 20, 'x')};
    return {.line = "<" + std::string(line) + ">", .ends_server = line == "stop"};
  }

  FileDescriptor Connected() {
    auto fd = ConnectTo(path_);
    EXPECT_TRUE(fd) << ToString(fd.error());
    return fd ? *std::move(fd) : FileDescriptor();
  }
  static void Say(const FileDescriptor& fd, std::string_view text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // What comes until a line feed, or the end of the stream.
  static std::string Heard(const FileDescriptor& fd) {
    std::string text;
    char byte = 0;
    while (::recv(fd.get(), &byte, 1, 0) == 1 && byte != '\n') text += byte;
    return text;
  }
  static std::string Ask(const FileDescriptor& fd, const std::string& line) {
    Say(fd, line + "\n");
    return Heard(fd);
  }
  static bool HasSomething(const FileDescriptor& fd) {
    pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 0) > 0;
  }
  bool Exists() const { return ::access(path_.c_str(), F_OK) == 0; }

  const std::string path_ = PathOf("control");
  Door door_;
  std::atomic<int> requests_ = 0;
  std::atomic<int> stops_ = 0;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, RequestsThatHaveNotBegun_AreNotCarriedOutAfterStop) {
  Start();
  const auto client = Connected();
  Say(client, "wait\ntwo\nthree\n");
  while (requests_ == 0) std::this_thread::sleep_for(milliseconds(1));
  std::thread stopping([&] { server_->Stop(); });
  std::this_thread::sleep_for(milliseconds(50));
  door_.Open();
  stopping.join();
  EXPECT_EQ(requests_, 1);
}

TEST_F(ControlServerTest, AnswersEachLineInTurn) {
  Start();
  const auto client = Connected();
  EXPECT_EQ(Ask(client, "one"), "<one>");
  Say(client, "two\nthree\nfo");
  EXPECT_EQ(Heard(client), "<two>");
  EXPECT_EQ(Heard(client), "<three>");
  EXPECT_EQ(Ask(client, "ur"), "<four>");
  EXPECT_EQ(Ask(client, ""), "<>");
}

TEST_F(ControlServerTest, SocketIsForItsOwnerAloneAndGoneAfterwards) {
  const mode_t before = ::umask(0);
  Start();
  ::umask(before);
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  server_.reset();
  EXPECT_FALSE(Exists());
}

TEST_F(ControlServerTest, SecondConnectionWaitsForTheFirst) {
  Start();
  const auto first = Connected();
  Say(first, "wait\n");
  const auto second = Connected();
  Say(second, "now\n");
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(HasSomething(second));
  door_.Open();
  EXPECT_EQ(Heard(first), "<wait>");
  EXPECT_EQ(Ask(first, "more"), "<more>");
  EXPECT_FALSE(HasSomething(second));
  ::shutdown(first.get(), SHUT_RDWR);
  EXPECT_EQ(Heard(second), "<now>");
}

TEST_F(ControlServerTest, ClientThatSaysNothingIsClosedWhenAnotherWaits) {
  Start(milliseconds(50));
  const auto silent = Connected();
  EXPECT_EQ(Ask(silent, "hello"), "<hello>");
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(Ask(silent, "still here"), "<still here>");  // nobody else waits
  Say(silent, "half a li");
  const auto second = Connected();
  EXPECT_EQ(Ask(second, "me"), "<me>");
  EXPECT_NE(Heard(silent).find("closed for another client"), std::string::npos);
  EXPECT_EQ(requests_, 3);
}

TEST_F(ControlServerTest, ClientThatTricklesIsClosedWhenAnotherWaits) {
  Start(milliseconds(50));
  const auto slow = Connected();
  Say(slow, "a");
  const auto second = Connected();
  Say(second, "me\n");
  for (int i = 0; i < 2000 && !HasSomething(second); ++i) {
    (void)::send(slow.get(), "a", 1, MSG_NOSIGNAL);
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(Heard(second), "<me>");
}

TEST_F(ControlServerTest, ClientThatDoesNotReadIsLeft) {
  Start(milliseconds(50));
  const auto deaf = Connected();
  Say(deaf, "much\n");
  const auto second = Connected();
  EXPECT_EQ(Ask(second, "me"), "<me>");
}

TEST_F(ControlServerTest, ClientThatGoesAwayHoldsUpNobody) {
  Start();
  {
    const auto nothing = Connected();
  }
  {
    const auto half = Connected();
    Say(half, "half a li");
  }
  {
    const auto unread = Connected();
    Say(unread, "unread\nand more\n");
  }
  const auto last = Connected();
  EXPECT_EQ(Ask(last, "me"), "<me>");
  EXPECT_GE(requests_, 2);  // what was complete has been carried out, half a line has not
  EXPECT_LE(requests_, 3);
}

TEST_F(ControlServerTest, LineThatIsTooLongIsRefused) {
  Start();
  const size_t most = Connection::kLongestRequest - 1;
  const auto client = Connected();
  const std::string longest(most, 'x');
  EXPECT_EQ(Ask(client, longest), "<" + longest + ">");
  const std::string longer(most + 1, 'x');
  (void)::send(client.get(), longer.data(), longer.size(), MSG_NOSIGNAL);
  const std::string heard = Heard(client);
  EXPECT_NE(heard.find("the line is longer than 65536 bytes"), std::string::npos) << heard;
  EXPECT_EQ(Heard(client), "");  // and closed
  EXPECT_EQ(Ask(Connected(), "me"), "<me>");
}

TEST_F(ControlServerTest, ExceptionEndsOnlyItsConnection) {
  Start();
  EXPECT_EQ(Ask(Connected(), "throw"), "");
  EXPECT_EQ(Ask(Connected(), "me"), "<me>");
}

TEST_F(ControlServerTest, AnswerOfTheLastRequestIsSentAndItsConnectionKept) {
  Start();
  const auto client = Connected();
  EXPECT_EQ(Ask(client, "first"), "<first>");
  const auto late = Connected();  // waits for its turn
  Say(late, "late\n");
  EXPECT_EQ(Ask(client, "stop"), "<stop>");
  EXPECT_EQ(Heard(late), "");  // the end of the stream
  EXPECT_FALSE(Exists());
  server_->Stop();
  EXPECT_EQ(stops_, 1);
  EXPECT_FALSE(HasSomething(client));
  server_->SayLast({.code = ErrorCode::kIo, .sentence = "not closed"});
  EXPECT_NE(Heard(client).find("not closed"), std::string::npos);
  server_.reset();
  EXPECT_EQ(Heard(client), "");
  EXPECT_EQ(requests_, 2);
}

TEST_F(ControlServerTest, SocketOfAnotherServer_IsNotRemoved) {
  Start();
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  const auto first = std::move(server_);
  Start();
  first->Stop();
  EXPECT_EQ(Ask(Connected(), "one"), "<one>");
}

TEST_F(ControlServerTest, StopWaitsForTheRequestAndSendsItsAnswer) {
  Start();
  const auto client = Connected();
  Say(client, "wait\n");
  while (requests_ == 0) std::this_thread::yield();
  std::atomic<bool> stopped = false;
  std::thread stopper([&] {
    server_->Stop();
    stopped = true;
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(stopped);
  door_.Open();
  EXPECT_EQ(Heard(client), "<wait>");
  stopper.join();
}

TEST_F(ControlServerTest, StopDoesNotWaitForClients) {
  Start();
  const auto silent = Connected();
  const auto queued = Connected();
  EXPECT_EQ(Ask(silent, "hello"), "<hello>");
  server_.reset();
  EXPECT_EQ(Heard(silent), "");
}

TEST_F(ControlServerTest, SocketOfADeadServerIsReplacedAndThatOfALivingOneIsNot) {
  {
    const auto dead = ListenAt(path_);
  }
  ASSERT_TRUE(Exists());
  Start();
  const auto second = ControlServer::Start(path_, {});
  EXPECT_EQ(OutcomeOf(second), "busy");
  EXPECT_EQ(Ask(Connected(), "me"), "<me>");
}

TEST_F(ControlServerTest, FileOfThatNameIsKept) {
  New("control");
  EXPECT_EQ(OutcomeOf(ControlServer::CheckPath(path_)), "exists");
  EXPECT_TRUE(Exists());
}

TEST_F(ControlServerTest, DirectoryThatOthersMayEnterIsRefused) {
  for (const mode_t mode : {0750U, 0701U, 0710U}) {
    ASSERT_EQ(::chmod(folder().c_str(), mode), 0);
    const auto checked = ControlServer::CheckPath(path_);
    ASSERT_EQ(OutcomeOf(checked), "permission");
    EXPECT_NE(checked.error().sentence.find("mkdir -m 700"), std::string::npos);
  }
  EXPECT_EQ(OutcomeOf(ControlServer::CheckPath(PathOf("gone/control"))), "not-found");
  ASSERT_EQ(::chmod(folder().c_str(), 0700), 0);
  EXPECT_EQ(OutcomeOf(ControlServer::CheckPath(path_)), "ok");
  EXPECT_EQ(OutcomeOf(ControlServer::CheckPath("/tmp/control")), "permission");
  EXPECT_EQ(OutcomeOf(ControlServer::CheckPath(PathOf(std::string(108, 'x')))), "invalid-argument");
}

// -- The client --

class ControlClientTest : public ControlServerTest {
 protected:
  // What a server that sends `text`, whatever it is asked, makes of a request.
  Result<Json> AskServerThatSays(std::string_view text) {
    auto listener = ListenAt(path_);
    EXPECT_TRUE(listener);
    std::thread server([&] {
      const FileDescriptor fd(::accept(listener->get(), nullptr, nullptr));
      Say(fd, text);
    });
    auto client = ControlClient::Connect(path_, interrupted_);
    EXPECT_TRUE(client);
    auto reply = client->Ask({{"execute", "info"}});
    server.join();
    ::unlink(path_.c_str());
    return reply;
  }

  std::atomic<bool> interrupted_ = false;
};

TEST_F(ControlClientTest, ReplyIsWhatWasReturned) {
  const auto reply = AskServerThatSays("{\"return\": {\"a\": 1}}\n");
  ASSERT_TRUE(reply) << ToString(reply.error());
  EXPECT_EQ(*reply, Json({{"a", 1}}));
}

TEST_F(ControlClientTest, ErrorIsThatOfTheServer) {
  const auto reply = AskServerThatSays(
      "{\"error\": {\"code\": \"exists\", \"file\": \"/a\", \"sentence\": \"why\"}}\n");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kExists);
  EXPECT_EQ(ToString(reply.error()), "/a: why");
}

TEST_F(ControlClientTest, WhatIsNotAReplyIsSaidSo) {
  for (const char* const text :
       {"", "{}\n", "hello\n", "[]\n", "{\"return\"", "NBDMAGICIHAVEOPT"}) {
    EXPECT_EQ(OutcomeOf(AskServerThatSays(text)), "io") << text;
  }
  EXPECT_NE(AskServerThatSays("NBDMAGICIHAVEOPT").error().sentence.find("for NBD clients"),
            std::string::npos);
  EXPECT_NE(AskServerThatSays("").error().sentence.find("the server ended"), std::string::npos);
}

TEST_F(ControlClientTest, WaitForAReplyCanBeInterrupted) {
  Start();
  auto client = ControlClient::Connect(path_, interrupted_);
  ASSERT_TRUE(client);
  const auto busy = Connected();  // waits behind the client
  interrupted_ = true;
  EXPECT_EQ(OutcomeOf(client->WaitForEnd()), "cancelled");
}

TEST_F(ControlClientTest, WhoIsNotThereIsSaidSo) {
  const auto sentence = [&](const std::string& path) {
    const auto client = ControlClient::Connect(path, interrupted_);
    return client ? "connected" : client.error().sentence;
  };
  EXPECT_NE(sentence(path_).find("No such file"), std::string::npos);
  {
    const auto dead = ListenAt(path_);
  }
  EXPECT_NE(sentence(path_).find("no server listens on it"), std::string::npos) << sentence(path_);
  New("file");
  EXPECT_NE(sentence(PathOf("file")).find("this is not a socket"), std::string::npos);
  EXPECT_NE(sentence(PathOf(std::string(108, 'x'))).find("too long"), std::string::npos);
}

}  // namespace
}  // namespace vhdx::control
