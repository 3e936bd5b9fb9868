#include "gateway/static_files.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/crc32c.h"
#include "yproto/awareness_state.h"

namespace coterie::gateway {
namespace {

namespace fs = std::filesystem;

std::string TypeOf(const std::string& path) {
  static const std::map<std::string, std::string> types = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"}};
  const auto found = types.find(fs::path(path).extension().string());
  return found == types.end() ? "application/octet-stream" : found->second;
}

// Bundlers write a hash of the content into the name: "app-3F9A1C2B.js", "app.3f9a1c2b.js".
bool HasHash(const std::string& path) {
  constexpr std::size_t kHashMin = 8;
  const std::string stem = fs::path(path).stem().string();
  const std::string hash = stem.substr(stem.find_last_of("-.") + 1);
  const bool is_word = std::all_of(hash.begin(), hash.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
  const bool has_digit = hash.find_first_of("0123456789") != std::string::npos;
  return hash.size() < stem.size() && hash.size() >= kHashMin && is_word && has_digit;
}

// Scripts, styles and pictures of our own alone, and nobody frames us.
std::string PolicyFor(const std::vector<std::string>& origins, const std::string& control) {
  std::string connect = "'self'";
  if (!control.empty()) {
    absl::StrAppend(&connect, " ", control.substr(0, control.find('/', control.find("://") + 3)));
  }
  for (const std::string& origin : origins) {
    if (origin.ends_with('*')) continue;
    const std::size_t colon = origin.find("://");
    if (colon == std::string::npos) continue;
    const bool is_secure = origin.starts_with("https");
    absl::StrAppend(&connect, " ", origin, is_secure ? " wss" : " ws", origin.substr(colon));
  }
  return absl::StrCat(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "font-src 'self'; manifest-src 'self'; worker-src 'self'; connect-src ",
      connect,
      "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
      "require-trusted-types-for 'script'");
}

std::string NodesJson(const std::vector<std::string>& origins, const std::string& control) {
  std::string list;
  for (const std::string& origin : origins) {
    if (origin.ends_with('*')) continue;
    absl::StrAppend(&list, list.empty() ? "" : ",", yproto::QuoteJson(origin));
  }
  const std::string extra =
      control.empty() ? std::string() : ",\"control\":" + yproto::QuoteJson(control);
  return absl::StrCat("{\"origins\":[", list, "]", extra, "}\n");
}

}  // namespace

absl::StatusOr<StaticFiles> StaticFiles::Load(const std::string& folder,
                                              const std::vector<std::string>& origins,
                                              const std::string& control) {
  StaticFiles loaded;
  loaded.policy_ = PolicyFor(origins, control);
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat("--web-root ", folder, ": ", error.message()));
  }
  std::map<std::string, Blob> contents;
  std::size_t bytes = 0;
  for (auto it = fs::recursive_directory_iterator(root, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (!it->is_regular_file(error) || it->is_symlink(error)) continue;
    std::ifstream file(it->path(), std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    bytes += content.size();
    if (bytes > kBytesMax || contents.size() >= kFilesMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("--web-root ", folder, ": more than 64 MiB or 4096 files"));
    }
    contents["/" + it->path().lexically_relative(root).generic_string()] = Blob(std::move(content));
  }
  if (error) return absl::NotFoundError(absl::StrCat("--web-root ", folder, ": ", error.message()));
  if (!contents.contains("/index.html")) {
    return absl::NotFoundError(
        absl::StrCat("--web-root ", folder, ": there is no index.html in it; build the web app"));
  }
  // The page's way to the other nodes, unless its folder knows better.
  contents.try_emplace("/nodes.json", Blob(NodesJson(origins, control)));
  for (const auto& [path, content] : contents) {
    if (path.ends_with(".br") || path.ends_with(".gz")) continue;
    File& file = loaded.files_[path];
    file = {.bytes = content,
            .brotli = {},
            .gzip = {},
            .type = TypeOf(path),
            .tag = absl::StrCat(ComputeCrc32c(content.view()), "-", content.size_bytes()),
            .is_immutable = HasHash(path)};
    const auto packed = [&](const char* suffix) {
      const auto found = contents.find(path + suffix);
      return found == contents.end() ? Blob() : found->second;
    };
    file.brotli = packed(".br");
    file.gzip = packed(".gz");
  }
  return loaded;
}

const StaticFiles::File* StaticFiles::Find(const std::string& path) const {
  const auto found = files_.find(path);
  if (found != files_.end()) return &found->second;
  const std::size_t slash = path.rfind('/');
  const bool is_page = path.find('.', slash) == std::string::npos;
  const auto index = files_.find("/index.html");
  return is_page && index != files_.end() ? &index->second : nullptr;
}

HttpResponse StaticFiles::Serve(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = TextResponse(405, "Only GET and HEAD.\n");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return refused;
  }
  const File* file = Find(request.target.path);
  if (file == nullptr) return TextResponse(404, "There is nothing here.\n");
  std::string coding;
  if (!file->brotli.empty() && AcceptsCoding(request.accept_encoding, "br")) {
    coding = "br";
  } else if (!file->gzip.empty() && AcceptsCoding(request.accept_encoding, "gzip")) {
    coding = "gzip";
  }
  // Other bytes have another tag.
  const std::string tag = absl::StrCat("\"", file->tag, coding.empty() ? "" : "-", coding, "\"");
  HttpResponse response{.status = 200, .content_type = file->type, .headers = {}, .body = {}};
  response.headers = {
      {"Content-Security-Policy", policy_},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Referrer-Policy", "no-referrer"},
      {"ETag", tag},
      {"Vary", "Accept-Encoding"},
      {"Cache-Control", file->is_immutable ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (ListsTag(request.if_none_match, tag)) {
    response.status = 304;
    return response;
  }
  if (!coding.empty()) response.headers.emplace_back("Content-Encoding", coding);
  response.body = coding == "br" ? file->brotli : coding == "gzip" ? file->gzip : file->bytes;
  return response;
}

}  // namespace coterie::gateway
