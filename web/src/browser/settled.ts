import { useEffect, useState } from 'preact/hooks'

// `value` once it has not changed for `forMs`: what somebody types, when a pause is made.
export function useSettled<T>(value: T, forMs: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(() => value), forMs)
    return () => clearTimeout(timer)
  }, [value, forMs])
  return settled
}
