#pragma once

// A summary without a language model: the sentences of a text that have most in common with the
// others, as they stand, in their order. It understands nothing; it never says what is not there.
// Pure. Source: Mihalcea and Tarau, "TextRank: Bringing Order into Texts", 2004.

#include <string>
#include <string_view>

#include "assist/prompts.h"
#include "assist/sentences.h"

namespace coterie::assist {

// At most seven sentences as lines that begin with "- ", or five as a paragraph. Empty for a text
// without words, and when it is cancelled.
std::string ExtractSummary(std::string_view text, SummaryForm form,
                           const IsCancelled& is_cancelled = {});

}  // namespace coterie::assist
