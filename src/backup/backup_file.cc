#include "backup/backup_file.h"

#include <absl/strings/str_cat.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"

namespace coterie::backup {
namespace {

constexpr std::string_view kFirstLine = "coterie backup 1\n";
constexpr std::string_view kAnyFirstLine = "coterie backup ";
constexpr std::size_t kHeaderBytesMax = 4'096;
constexpr std::size_t kPieceBytes = 1 << 20;

}  // namespace

class Hash {
 public:
  Hash() { crypto_hash_sha256_init(&state_); }

  void Add(std::string_view bytes) {
    crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
  }
  // Once, at the end: the last line of a file.
  std::string Line() {
    std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
    crypto_hash_sha256_final(&state_, digest.data());
    std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex;
    sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
    return absl::StrCat(hex.data(), "\n");
  }
  static constexpr std::size_t kLineBytes = 2 * crypto_hash_sha256_BYTES + 1;

 private:
  crypto_hash_sha256_state state_;
};

Encoder::Encoder(const Header& header) : header_(header), hash_(std::make_unique<Hash>()) {}
Encoder::~Encoder() = default;

std::string Encoder::Head() {
  const nlohmann::json json = {{"cluster_id", header_.cluster_id},
                               {"revision", header_.revision},
                               {"taken_at_ms", header_.taken_at_ms},
                               {"state_bytes", header_.state_bytes}};
  std::string head = absl::StrCat(std::string(kFirstLine), json.dump(), "\n");
  hash_->Add(head);
  return head;
}

void Encoder::Add(std::string_view state_bytes) { hash_->Add(state_bytes); }
std::string Encoder::Tail() { return hash_->Line(); }

Reader::Reader(std::string path, std::ifstream file)
    : path_(std::move(path)), file_(std::move(file)), hash_(std::make_unique<Hash>()) {}
Reader::~Reader() = default;

absl::StatusOr<std::unique_ptr<Reader>> Reader::Open(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::ErrnoToStatus(errno == 0 ? ENOENT : errno, absl::StrCat("cannot read ", path));
  }
  std::unique_ptr<Reader> reader(new Reader(path, std::move(file)));
  RETURN_IF_ERROR(reader->ReadHeader());
  return reader;
}

absl::Status Reader::ReadHeader() {
  std::string first(kFirstLine.size(), '\0');
  file_.read(first.data(), static_cast<std::streamsize>(first.size()));
  first.resize(static_cast<std::size_t>(file_.gcount()));
  if (first != kFirstLine) {
    const bool is_other = first.substr(0, kAnyFirstLine.size()) == kAnyFirstLine;
    return absl::InvalidArgumentError(
        absl::StrCat(path_, is_other ? " is a backup of a version that this program does not know"
                                     : " is no backup of Coterie"));
  }
  std::string line;
  for (char c = 0; line.size() < kHeaderBytesMax && file_.get(c);) {
    line += c;
    if (c == '\n') break;
  }
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto number = [&json](const char* name, std::uint64_t& to) {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned()) return false;
    to = json[name].get<std::uint64_t>();
    return true;
  };
  if (!line.ends_with('\n') || !number("cluster_id", header_.cluster_id) ||
      !number("revision", header_.revision) || !number("taken_at_ms", header_.taken_at_ms) ||
      !number("state_bytes", header_.state_bytes)) {
    return absl::DataLossError(absl::StrCat(path_, " is damaged: it does not say what it is of"));
  }
  hash_->Add(first);
  hash_->Add(line);
  left_ = header_.state_bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Reader::Next() {
  if (left_ == 0) {
    RETURN_IF_ERROR(CheckTail());
    return std::string();
  }
  std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kPieceBytes)), '\0');
  file_.read(piece.data(), static_cast<std::streamsize>(piece.size()));
  if (static_cast<std::size_t>(file_.gcount()) != piece.size()) {
    return absl::DataLossError(
        absl::StrCat(path_, " is cut off: ", left_, " bytes of the state or more are missing"));
  }
  hash_->Add(piece);
  left_ -= piece.size();
  return piece;
}

absl::Status Reader::CheckTail() {
  if (hash_ == nullptr) return absl::OkStatus();  // Checked already.
  std::string line(Hash::kLineBytes + 1, '\0');   // One more: nothing may follow.
  file_.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file_.gcount()));
  if (line.size() < Hash::kLineBytes) {
    return absl::DataLossError(absl::StrCat(path_, " is cut off: its last line is missing"));
  }
  if (line != hash_->Line()) {
    return absl::DataLossError(
        absl::StrCat(path_, " is damaged: its SHA-256 is not what its last line says"));
  }
  hash_.reset();
  return absl::OkStatus();
}

absl::StatusOr<Header> Verify(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, Reader::Open(path));
  while (true) {
    ASSIGN_OR_RETURN(const std::string piece, reader->Next());
    if (piece.empty()) return reader->header();
  }
}

}  // namespace coterie::backup
