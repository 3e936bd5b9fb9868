// What the document says where that is not what this page edits. A rich editor keeps XML in a root of
// its own, which the cluster reads to people as Markdown; what one typed here would go to another
// root, where nobody sees it. Which root counts, the cluster alone knows: it is asked again after
// every change, as long as there is another root than the page's with anything in it.
import * as Y from 'yjs'

import { callAt } from '../cluster/api'

const kRestMs = 400 // Between two questions, at least,
const kRestShare = 4 // and so many times what the last one took.
const kLookEveryMs = 250 // Whether somebody can be asked.
const kAgainMs = 2_000 // When that failed.
const kScannedMax = 1_000 // Items of a root, for a first guess.

export interface Reading {
  text: string
  isProjection: boolean // Markdown that stands for XML.
}

// Of one node, which has what it told its page of: what it has now will do.
export async function askReading(origin: string, id: string): Promise<Reading> {
  const { text = '', isProjection = false } = await callAt<Partial<Reading>>(origin,
    'DocumentService/GetDocument', { document: { id }, consistency: 'CONSISTENCY_STALE' })
  return { text, isProjection }
}

type Root = Pick<Y.Text, '_start'> // Of any kind: Yjs knows none of one that nobody asked for.
type Kind = 'nothing' | 'letters' | 'xml'

// What somebody wrote there, as far as that is quickly seen. Values in a list are no writing.
function kindOf(root: Root): Kind {
  let item = root._start
  for (let count = 0; item && count < kScannedMax; ++count, item = item.right) {
    if (item.deleted) continue
    const { content } = item
    if (content instanceof Y.ContentType) {
      if (content.type instanceof Y.XmlElement || content.type instanceof Y.XmlText) return 'xml'
    } else if (content instanceof Y.ContentString || content instanceof Y.ContentEmbed) {
      return 'letters'
    }
  }
  return 'nothing'
}

function lettersOf(root: Root): string {
  let letters = ''
  for (let item = root._start; item; item = item.right) {
    if (!item.deleted && item.content instanceof Y.ContentString) letters += item.content.str
  }
  return letters
}

// 'text': what the page edits is the document. 'reading': it is not, and `known` says what is, when
// it is known. 'unsure': both may be, and a node is asked; nothing should be written before it says.
export type Place = 'text' | 'reading' | 'unsure'

export interface ReadingOptions {
  text: Y.Text // The root that the page edits.
  // Null when no node has the document open for this page.
  ask: () => Promise<Reading | null>
  isHidden: () => boolean
  onChange: () => void
}

export class ReadingKeeper {
  known: Reading | null = null
  private decided: 'text' | 'reading' | null = null
  private isFinal = false // Letters of the page's root count, and with them that root for ever.
  // Letters of the page's root were there first, as far as is known here: who is in the middle of a
  // word goes on until the cluster says otherwise.
  private wasAlone = false
  private isDue = false
  private isBusy = false
  private isClosed = false
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly options: ReadingOptions) {
    options.text.doc?.on('update', this.look)
    this.look()
  }

  get place(): Place {
    if (this.decided) return this.decided
    const kinds = this.others().map(kindOf)
    if (this.options.text.length === 0) {
      return kinds.some((kind) => kind !== 'nothing') ? 'reading' : 'text'
    }
    return kinds.includes('xml') && !this.wasAlone ? 'unsure' : 'text'
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    clearTimeout(this.timer)
    this.options.text.doc?.off('update', this.look)
  }

  // What may count instead: also XML in the very root.
  private others(): Root[] {
    const { text } = this.options
    const roots: Root[] = [...text.doc?.share.values() ?? []]
    return roots
      .filter((root) => (root === text ? kindOf(root) === 'xml' : root._start !== null))
  }

  private readonly look = () => {
    if (this.isFinal) return
    if (this.others().length === 0) {
      this.wasAlone = this.options.text.length > 0
      return
    }
    // Nothing was written when it was asked; now a guess is safer than that.
    if (this.decided === 'text') this.decided = null
    this.isDue = true
    if (!this.isBusy) void this.run()
  }

  private async run(): Promise<void> {
    this.isBusy = true
    while (this.isDue && !this.isClosed) {
      const restMs = await this.askOnce()
      await new Promise((done) => { this.timer = setTimeout(done, restMs) })
    }
    this.isBusy = false
  }

  // How long nothing is asked then.
  private async askOnce(): Promise<number> {
    const begin = performance.now()
    this.isDue = false
    try {
      const answer = this.options.isHidden() ? null : await this.options.ask()
      if (this.isClosed) return 0
      if (!answer || !this.hear(answer)) this.isDue = true
      if (!answer) return kLookEveryMs
      this.options.onChange()
      return Math.max(kRestMs, kRestShare * (performance.now() - begin))
    } catch {
      this.isDue = true
      return kAgainMs
    }
  }

  // False if it cannot be told of which root the answer is: what is here is newer, or older.
  private hear(answer: Reading): boolean {
    const { text } = this.options
    const isHere = !answer.isProjection && answer.text === text.toString()
    const isElsewhere = answer.isProjection || (answer.text !== '' &&
      this.others().some((root) => lettersOf(root) === answer.text))
    if (isHere) {
      // What changed while it was asked, may have decided otherwise.
      this.decided = this.isDue && answer.text === '' ? null : 'text'
      this.isFinal = answer.text !== ''
      this.known = null
    } else if (isElsewhere) {
      this.decided = 'reading'
      this.known = answer
    }
    return isHere || isElsewhere
  }
}
