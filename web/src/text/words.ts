// Words as a reader counts them, in any script.
const words = new Intl.Segmenter(undefined, { granularity: 'word' })
const kSegmentedMax = 200_000 // Above it, the words between blanks.

export function countWords(text: string): number {
  if (text.length > kSegmentedMax) return text.split(/\s+/).filter(Boolean).length
  let count = 0
  for (const segment of words.segment(text)) if (segment.isWordLike) ++count
  return count
}
