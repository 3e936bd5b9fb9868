// A window over the page, in which the keyboard stays until it is closed: the browser's own.
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

import { showOverlay } from '../browser/overlay'

export function Dialog({ label, kind, children }:
    { label: string; kind: string; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    return () => shown?.close() // Which gives the focus back.
  }, [])
  return (
    <dialog ref={dialog} class={`dialog ${kind}`} aria-label={label}
      onClose={() => showOverlay(null)}
      onClick={(event) => event.target === dialog.current && showOverlay(null)}>
      {children}
    </dialog>
  )
}

export function DialogHead({ title }: { title: string }) {
  return (
    <div class="side-head"><h2>{title}</h2>
      <button type="button" class="quiet" onClick={() => showOverlay(null)}>Close</button></div>
  )
}
