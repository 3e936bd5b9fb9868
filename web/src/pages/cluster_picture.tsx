// The nodes and what is between them: lines that are cut where nothing comes through, messages of
// the log on their way (a sample: one dot for all since the last look, and one for the answers),
// and the votes of the last election.
import { useEffect, useRef } from 'preact/hooks'

import type { Election, LinkView, NodeView } from '../cluster/story'

const kWide = 360
const kHigh = 280
const kRadius = 95
const kNode = 41
const kFlightMs = 150

interface Spot { x: number; y: number }

// On a circle, the first on top.
export function spotOf(i: number, count: number): Spot {
  const angle = 2 * Math.PI * i / Math.max(1, count) - Math.PI / 2
  const round = (value: number) => Math.round(10 * value) / 10
  if (count === 1) return { x: kWide / 2, y: kHigh / 2 }
  return { x: round(kWide / 2 + 1.35 * kRadius * Math.cos(angle)),
    y: round(kHigh / 2 + 15 + kRadius * Math.sin(angle)) }
}

// The part of the line between two nodes that is outside both.
function between(a: Spot, b: Spot): [Spot, Spot] {
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1
  const step = (from: Spot, to: Spot) => ({
    x: from.x + (to.x - from.x) * kNode / length, y: from.y + (to.y - from.y) * kNode / length,
  })
  return [step(a, b), step(b, a)]
}

const isStill = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches

// One that flies from here to there, and is gone. Above the picture and no part of it, so that the
// browser need not paint that anew for every step.
function fly(layer: HTMLElement, from: Spot, to: Spot, kind: 'append' | 'answer'): void {
  const dot = document.createElement('span')
  dot.className = `flight flight-${kind}`
  layer.append(dot)
  const scale = layer.clientWidth / kWide
  const at = ({ x, y }: Spot) => ({ transform: `translate(${scale * x}px, ${scale * y}px)` })
  const flight = dot.animate([at(from), at(to)], { duration: kFlightMs, easing: 'linear' })
  flight.onfinish = flight.oncancel = () => dot.remove()
}

function Link({ link, a, b }: { link: LinkView; a: Spot; b: Spot }) {
  const [begin, end] = between(a, b)
  const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }
  const ends = { x1: begin.x, y1: begin.y, x2: end.x, y2: end.y }
  return (
    <g class={`link link-${link.kind}`}>
      <line {...ends} />
      {link.kind === 'cut' && <g class="cut">
        <circle cx={middle.x} cy={middle.y} r="11" />
        <path d={`M${middle.x - 5} ${middle.y - 5}l10 10m0 -10l-10 10`} />
      </g>}
    </g>
  )
}

const kVotes = { granted: '✓', refused: '✗' }

function Node({ view, spot, election }: { view: NodeView; spot: Spot; election: Election | null }) {
  const vote = election?.granted.includes(view.id) ? 'granted'
    : election?.refused.includes(view.id) ? 'refused' : null
  return (
    <g class={`node role-${view.role}`}>
      <circle cx={spot.x} cy={spot.y} r={kNode - 4} />
      <text x={spot.x} y={spot.y - 1} class="node-name">{view.name}</text>
      <text x={spot.x} y={spot.y + 13} class="node-role">{view.role}</text>
      {vote && <g class={`vote vote-${vote}`}>
        <circle cx={spot.x + 28} cy={spot.y - 28} r="10" />
        <text x={spot.x + 28} y={spot.y - 24}>{kVotes[vote]}</text>
      </g>}
    </g>
  )
}

function sentence(nodes: readonly NodeView[], links: readonly LinkView[]): string {
  const said = nodes.map(({ name, role }) => `${name} ${role}`).join(', ')
  const cut = links.filter(({ kind }) => kind === 'cut').map(({ from, to }) => `n${from} and n${to}`)
  return `Nodes: ${said}.${cut.length > 0 ? ` Cut off from each other: ${cut.join('; ')}.` : ''}`
}

export function Picture({ nodes, links, election }:
    { nodes: NodeView[]; links: LinkView[]; election: Election | null }) {
  const layer = useRef<HTMLDivElement>(null)
  const counted = useRef(new Map<string, { sent: number; acknowledged: number }>())
  const spots = new Map(nodes.map(({ id }, i) => [id, spotOf(i, nodes.length)]))
  const here = (id: string): Spot => spots.get(id) ?? { x: 0, y: 0 }
  useEffect(() => {
    for (const { key, from, to, kind, sent, acknowledged } of links) {
      const name = `${key} ${from}`
      const before = counted.current.get(name)
      counted.current.set(name, { sent, acknowledged })
      if (!before || !layer.current || isStill()) continue
      const [begin, end] = between(here(from), here(to))
      // Where nothing comes through it was sent all the same.
      const middle = { x: (begin.x + end.x) / 2, y: (begin.y + end.y) / 2 }
      if (sent > before.sent) fly(layer.current, begin, kind === 'cut' ? middle : end, 'append')
      if (acknowledged > before.acknowledged) fly(layer.current, end, begin, 'answer')
    }
  }, [links])
  return (
    <div class="picture">
      <svg viewBox={`0 0 ${kWide} ${kHigh}`} role="img" aria-label={sentence(nodes, links)}>
        {links.map((link) => <Link key={link.key} link={link} a={here(link.from)}
          b={here(link.to)} />)}
        {nodes.map((view) => <Node key={view.id} view={view} spot={here(view.id)}
          election={election} />)}
      </svg>
      <div class="flights" ref={layer} aria-hidden="true" />
    </div>
  )
}
