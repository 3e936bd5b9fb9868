// How values travel in the oracle's JSON: what JSON has goes as it is, the rest as an object with
// one key that begins with "$".
//
//   {"$bytes": "base64"}   Uint8Array          {"$undefined": 1}   undefined
//   {"$bigint": "12"}      BigInt              {"$number": "-0"}   -0, NaN, Infinity, -Infinity
//   {"$type": "Map"}       a new shared type: Array, Map, Text, XmlFragment, XmlText, and
//                          XmlElement, XmlHook with "name"; "content" fills it before it is inserted
//   {"$doc": "guid", "options": {}}            a subdocument
import * as Y from 'yjs'

export const toBase64 = bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

// A copy in memory of its own: Buffer's pool must not be handed to Yjs, which keeps views.
export const fromBase64 = text => new Uint8Array(Buffer.from(text, 'base64'))

const makeType = ({ $type, name, content }) => {
  switch ($type) {
    case 'Array': return content === undefined ? new Y.Array() : Y.Array.from(content.map(decode))
    case 'Map': return new Y.Map(Object.entries(content ?? {}).map(([key, value]) => [key, decode(value)]))
    case 'Text': return new Y.Text(content)
    case 'XmlText': return new Y.XmlText(content)
    case 'XmlFragment': return new Y.XmlFragment()
    case 'XmlElement': return new Y.XmlElement(name)
    case 'XmlHook': return new Y.XmlHook(name)
    default: throw new Error(`no such type: ${$type}`)
  }
}

// From the JSON of a request to what Yjs is given.
export const decode = value => {
  if (Array.isArray(value)) return value.map(decode)
  if (value === null || typeof value !== 'object') return value
  if ('$bytes' in value) return fromBase64(value.$bytes)
  if ('$undefined' in value) return undefined
  if ('$bigint' in value) return BigInt(value.$bigint)
  if ('$number' in value) return Number(value.$number)
  if ('$type' in value) return makeType(value)
  if ('$doc' in value) return new Y.Doc({ guid: value.$doc, ...value.options })
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]))
}

const encodeNumber = value =>
  Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) }

// From what Yjs holds to the JSON of a response. Keys are sorted: the order of a JavaScript object's
// keys is no property of the document.
export const encode = value => {
  if (value === undefined) return { $undefined: 1 }
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'number') return encodeNumber(value)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) }
  if (Array.isArray(value)) return value.map(encode)
  if (value instanceof Y.Doc) return { $doc: value.guid }
  if (value instanceof Y.Array) return value.toArray().map(encode)
  if (value instanceof Y.XmlHook) return { $hook: value.hookName, entries: encodeMap(value) }
  if (value instanceof Y.Map) return encodeMap(value)
  if (value instanceof Y.AbstractType) return value.toString()
  return encodeEntries(Object.entries(value))
}

// toJSON() loses that key, too.
const encodeMap = map => encodeEntries([...map.entries()].filter(([key]) => key !== '__proto__'))

const encodeEntries = entries => Object.fromEntries(
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, encode(value)]))

export const encodeDelta = delta => delta.map(encode)
