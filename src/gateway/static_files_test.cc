#include "gateway/static_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace coterie::gateway {
namespace {

class StaticFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / "coterie-static-files";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto write = [&](const char* name, const char* content) {
      std::ofstream(folder / name) << content;
    };
    write("index.html", "page");
    write("app.js", "script");
    write("app.js.br", "as brotli");
    write("app.js.gz", "as gzip");
    absl::StatusOr<StaticFiles> loaded = StaticFiles::Load(folder.string(), {}, "");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    files_ = *std::move(loaded);
  }
  HttpResponse Serve(const std::string& accept_encoding, const std::string& known = "",
                     const std::string& path = "/app.js") {
    HttpRequest request;
    request.method = "GET";
    request.target.path = path;
    request.accept_encoding = accept_encoding;
    request.if_none_match = known;
    return files_.Serve(request);
  }
  std::string BodyFor(const std::string& accept_encoding) {
    return std::string(Serve(accept_encoding).body.view());
  }
  static std::string Field(const HttpResponse& response, const std::string& name) {
    for (const auto& [field, value] : response.headers) {
      if (field == name) return value;
    }
    return {};
  }

  StaticFiles files_;
};

TEST_F(StaticFilesTest, AreSentAsTheAskerTakesThem) {
  EXPECT_EQ(BodyFor(""), "script");
  EXPECT_EQ(BodyFor("gzip, deflate, br, zstd"), "as brotli");
  EXPECT_EQ(BodyFor("gzip, deflate"), "as gzip");
  EXPECT_EQ(BodyFor("BR;q=0.5"), "as brotli");
  EXPECT_EQ(BodyFor("br;q=0, gzip; q=1.0"), "as gzip");
  EXPECT_EQ(BodyFor("br;q=0.000,gzip;q=0"), "script");
  EXPECT_EQ(BodyFor("vibrato, xgzip"), "script");
  EXPECT_EQ(BodyFor("*"), "as brotli");
  EXPECT_EQ(BodyFor("br;q=0, *"), "as gzip");
  EXPECT_EQ(BodyFor("identity, *;q=0"), "script");
  EXPECT_EQ(Field(Serve("gzip"), "Content-Encoding"), "gzip");
  EXPECT_EQ(Field(Serve(""), "Content-Encoding"), "");
  EXPECT_EQ(Serve("br", "", "/app.js.br").status, 404) << "it is no file of its own";
}

TEST_F(StaticFilesTest, WhoHasTheSameBytesGetsNone) {
  const std::string plain = Field(Serve(""), "ETag");
  const std::string brotli = Field(Serve("br"), "ETag");
  EXPECT_NE(plain, brotli);
  EXPECT_EQ(Serve("", plain).status, 304);
  EXPECT_EQ(Serve("br", brotli).status, 304);
  EXPECT_EQ(Serve("br", "W/" + brotli).status, 304);
  EXPECT_EQ(Serve("br", "\"another\" , " + brotli).status, 304);
  EXPECT_EQ(Serve("br", plain).status, 200) << "those are other bytes";
  EXPECT_EQ(Serve("", "\"another\"").status, 200);
}

}  // namespace
}  // namespace coterie::gateway
