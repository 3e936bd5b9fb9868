// What a component shows, as HTML to compare with: elements, their attributes and text. Hooks are
// not run.
import type { ComponentChildren, VNode } from 'preact'

type Component = (props: object) => ComponentChildren

const isNode = (value: unknown): value is VNode<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && 'type' in value

export function htmlOf(shown: ComponentChildren): string {
  if (Array.isArray(shown)) return (shown as ComponentChildren[]).map(htmlOf).join('')
  if (shown === null || shown === undefined || typeof shown === 'boolean') return ''
  if (!isNode(shown)) return (shown as string | number).toString().replaceAll('<', '&lt;')
  const { type, props } = shown
  if (typeof type !== 'string') return htmlOf((type as Component)(props))
  const attributes = Object.entries(props)
    .filter(([name, value]) => name !== 'children' && typeof value !== 'function' && value != null)
    .map(([name, value]) => ` ${name}="${String(value)}"`)
  return `<${type}${attributes.join('')}>${htmlOf(props.children)}</${type}>`
}
