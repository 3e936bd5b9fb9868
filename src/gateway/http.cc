#include "gateway/http.h"

namespace coterie::gateway {

HttpResponse TextResponse(int status, std::string text) {
  return {.status = status,
          .content_type = "text/plain; charset=utf-8",
          .headers = {},
          .body = Blob(std::move(text))};
}

HttpResponse JsonResponse(int status, std::string json) {
  return {.status = status,
          .content_type = "application/json",
          .headers = {},
          .body = Blob(std::move(json))};
}

}  // namespace coterie::gateway
