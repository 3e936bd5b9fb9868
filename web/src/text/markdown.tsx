// Markdown as elements. Nothing becomes HTML: text is text, HTML in the source is shown as written,
// links lead to http, https and mailto alone, pictures are links (no request leaves the origin).
import type { SyntaxNode, Tree } from '@lezer/common'
import { GFM, parser } from '@lezer/markdown'
import { type ComponentChildren, h, type VNode } from 'preact'

const reader = parser.configure(GFM)
const kDepthMax = 60

// Punctuation of the source that has done its work.
const kMarks = new Set(['HeaderMark', 'QuoteMark', 'ListMark', 'EmphasisMark', 'StrikethroughMark',
  'CodeMark', 'CodeInfo', 'LinkMark', 'LinkTitle', 'LinkLabel', 'TableDelimiter', 'HardBreakMark'])
// What only holds other blocks: between them is nothing but blanks and marks.
const kFlow = new Set(['Document', 'BulletList', 'OrderedList', 'ListItem', 'Blockquote', 'Table',
  'TableHeader', 'TableRow'])
const kTags: Record<string, string> = {
  ATXHeading1: 'h1', ATXHeading2: 'h2', ATXHeading3: 'h3', ATXHeading4: 'h4', ATXHeading5: 'h5',
  ATXHeading6: 'h6', SetextHeading1: 'h1', SetextHeading2: 'h2', Paragraph: 'p', Blockquote:
  'blockquote', BulletList: 'ul', ListItem: 'li', Emphasis: 'em', StrongEmphasis: 'strong',
  Strikethrough: 'del', Table: 'table', Task: 'span',
}

const safeLink = (url: string): string | null => {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return null
  return url
}

// '[Two  Words]' and '[two words]' are one label.
const labelOf = (text: string): string =>
  text.slice(1, -1).trim().replace(/\s+/g, ' ').toLowerCase()

class Renderer {
  private readonly addresses = new Map<string, string>() // By label, of the source's references.

  constructor(private readonly source: string, tree: Tree) {
    tree.iterate({ enter: ({ name, node }) => {
      if (name !== 'LinkReference') return
      const label = node.getChild('LinkLabel')
      const url = node.getChild('URL')
      if (!label || !url) return
      const key = labelOf(this.text(label))
      if (!this.addresses.has(key)) this.addresses.set(key, this.text(url))
    } })
  }

  text(node: SyntaxNode): string {
    return this.source.slice(node.from, node.to)
  }

  // Its children, and the text between them.
  inside(node: SyntaxNode, depth: number): ComponentChildren[] {
    const parts: ComponentChildren[] = []
    let at = node.from
    const isFlow = kFlow.has(node.name)
    for (let child = node.firstChild; child; child = child.nextSibling) {
      if (!isFlow && child.from > at) parts.push(this.source.slice(at, child.from))
      parts.push(this.element(child, depth + 1))
      at = child.to
    }
    if (!isFlow && at < node.to) parts.push(this.source.slice(at, node.to))
    // Behind a heading's mark there is a blank.
    const first = parts.findIndex((part) => part !== null)
    const begin = parts[first]
    if (/Heading/.test(node.name) && typeof begin === 'string') parts[first] = begin.trimStart()
    return parts
  }

  element(node: SyntaxNode, depth: number): ComponentChildren {
    if (kMarks.has(node.name)) return null
    if (depth > kDepthMax) return this.text(node)
    const tag = kTags[node.name]
    if (tag) return h(tag, null, ...this.inside(node, depth))
    switch (node.name) {
      case 'OrderedList':
        return h('ol', { start: Number.parseInt(this.text(node), 10) || 1 },
          ...this.inside(node, depth))
      case 'TableHeader':
      case 'TableRow':
        return h('tr', null, ...this.cells(node, depth))
      case 'TableCell':
        return h(node.parent?.name === 'TableHeader' ? 'th' : 'td', null,
          ...this.inside(node, depth))
      case 'TaskMarker': {
        const isDone = /x/i.test(this.text(node))
        return h('input', { type: 'checkbox', checked: isDone, disabled: true,
          'aria-label': isDone ? 'done' : 'to be done' })
      }
      case 'InlineCode':
        return h('code', null, this.text(node).replace(/^(`+)([^]*?)\1$/, '$2'))
      case 'FencedCode':
      case 'CodeBlock':
        return h('pre', null, h('code', null, this.code(node)))
      case 'HorizontalRule':
        return h('hr', null)
      case 'HardBreak':
        return h('br', null)
      case 'Escape':
        return this.text(node).slice(1)
      case 'Link':
      case 'Image':
      case 'Autolink':
        return this.link(node, depth)
      case 'URL':
        return this.anchor(this.text(node), [this.text(node)])
      case 'LinkReference':
        return null
      default:
        return this.text(node)
    }
  }

  // Of a row. A cell with nothing in it is no node: two delimiters follow each other.
  cells(row: SyntaxNode, depth: number): ComponentChildren[] {
    const cells: ComponentChildren[] = []
    let wasDelimiter = false
    for (let child = row.firstChild; child; child = child.nextSibling) {
      const isDelimiter = child.name === 'TableDelimiter'
      if (!isDelimiter) cells.push(this.element(child, depth + 1))
      else if (wasDelimiter) cells.push(h(row.name === 'TableHeader' ? 'th' : 'td', null))
      wasDelimiter = isDelimiter
    }
    return cells
  }

  code(node: SyntaxNode): string {
    const parts: string[] = []
    for (let child = node.firstChild; child; child = child.nextSibling) {
      if (child.name === 'CodeText') parts.push(this.text(child))
    }
    return parts.join('')
  }

  anchor(url: string, inside: ComponentChildren[]): VNode {
    const href = safeLink(url)
    if (href === null) return <span>{inside}</span>
    return <a href={href} target="_blank" rel="noopener noreferrer">{inside}</a>
  }

  // Where it leads; null = nowhere, it only looks like a link, as in `a[0]`.
  addressOf(node: SyntaxNode): string | null {
    const url = node.getChild('URL')
    if (url) return this.text(url)
    const label = node.getChild('LinkLabel')
    const own = label ? this.text(label) : '[]'
    const key = labelOf(own === '[]' ? this.text(node).replace(/^!/, '').replace(/\[\]$/, '') : own)
    return this.addresses.get(key) ?? (this.text(node).endsWith(')') ? '' : null)
  }

  link(node: SyntaxNode, depth: number): ComponentChildren {
    const url = this.addressOf(node)
    if (url === null) return this.asWritten(node, depth)
    const inside: ComponentChildren[] = []
    let at = node.from
    let isInLabel = true
    for (let child = node.firstChild; child && isInLabel; child = child.nextSibling) {
      if (child.from > at) inside.push(this.source.slice(at, child.from))
      if (child.name === 'LinkMark' && this.text(child) === ']') isInLabel = false
      else if (child.name !== 'LinkMark') {
        inside.push(child.name === 'URL' ? this.text(child) : this.element(child, depth + 1))
      }
      at = child.to
    }
    return this.anchor(url, inside)
  }

  // With its brackets.
  asWritten(node: SyntaxNode, depth: number): ComponentChildren[] {
    const parts: ComponentChildren[] = []
    let at = node.from
    for (let child = node.firstChild; child; child = child.nextSibling) {
      if (child.from > at) parts.push(this.source.slice(at, child.from))
      parts.push(kMarks.has(child.name) ? this.text(child) : this.element(child, depth + 1))
      at = child.to
    }
    if (at < node.to) parts.push(this.source.slice(at, node.to))
    return parts
  }
}

export function Markdown({ source }: { source: string }): VNode {
  const tree: Tree = reader.parse(source)
  return <div class="prose">{new Renderer(source, tree).inside(tree.topNode, 0)}</div>
}
