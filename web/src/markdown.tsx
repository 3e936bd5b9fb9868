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
const kTags: Record<string, string> = {
  ATXHeading1: 'h1', ATXHeading2: 'h2', ATXHeading3: 'h3', ATXHeading4: 'h4', ATXHeading5: 'h5',
  ATXHeading6: 'h6', SetextHeading1: 'h1', SetextHeading2: 'h2', Paragraph: 'p', Blockquote:
  'blockquote', BulletList: 'ul', ListItem: 'li', Emphasis: 'em', StrongEmphasis: 'strong',
  Strikethrough: 'del', Table: 'table', TableHeader: 'tr', TableRow: 'tr', Task: 'span',
}

const safeLink = (url: string): string | null => {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return null
  return url
}

class Renderer {
  constructor(private readonly source: string) {}

  text(node: SyntaxNode): string {
    return this.source.slice(node.from, node.to)
  }

  // Its children, and the text between them.
  inside(node: SyntaxNode, depth: number): ComponentChildren[] {
    const parts: ComponentChildren[] = []
    let at = node.from
    const isFlow = node.name === 'Document' || /List$|Blockquote|ListItem|Table/.test(node.name)
    for (let child = node.firstChild; child; child = child.nextSibling) {
      if (!isFlow && child.from > at) parts.push(this.source.slice(at, child.from))
      parts.push(this.element(child, depth + 1))
      at = child.to
    }
    if (!isFlow && at < node.to) parts.push(this.source.slice(at, node.to))
    if (/Heading/.test(node.name) || node.name === 'TableCell') {
      return parts.map((part) => (typeof part === 'string' ? part.replace(/^ +/, '') : part))
    }
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

  link(node: SyntaxNode, depth: number): VNode {
    const url = node.getChild('URL')
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
    return this.anchor(url ? this.text(url) : '', inside)
  }
}

export function Markdown({ source }: { source: string }): VNode {
  const tree: Tree = reader.parse(source)
  return <div class="prose">{new Renderer(source).inside(tree.topNode, 0)}</div>
}
