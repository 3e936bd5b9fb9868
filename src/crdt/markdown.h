#pragma once

// What a rich editor's document says, as Markdown, for people and language models to read:
// headings, lists, quotes, code, tables, images, and bold, italic, struck, code and links within a
// line. A reading, not a format to import: characters that mean something to Markdown are left as
// they are, colours and the like are left out. Knows the nodes and marks of ProseMirror's and
// Tiptap's schemas (as y-prosemirror keeps them) and of BlockNote; of other nodes it shows what is
// in them. Function over a doc, which it does not change. What nests too deep is left out.

#include <string>

#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;
class ViewBudget;

// Of an XML fragment or element; without a line feed at the end.
std::string ToMarkdown(const Doc& doc, TypeHandle type);
// The same of a document that anybody may have made: of no use once the budget is spent.
std::string ToMarkdown(const Doc& doc, TypeHandle type, ViewBudget& budget);

}  // namespace coterie::crdt
