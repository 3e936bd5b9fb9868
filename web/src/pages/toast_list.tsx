import { useEffect, useState } from 'preact/hooks'

import { dismiss, subscribe, type Toast } from '../browser/toasts'

export function ToastList() {
  const [toasts, setToasts] = useState<readonly Toast[]>([])
  useEffect(() => subscribe(setToasts), [])
  if (toasts.length === 0) return null
  return (
    <section class="toasts" aria-label="Messages">
      {toasts.map(({ id, text, action }) => (
        <p key={id} class="toast"><span>{text}</span>
          {action && <button type="button" onClick={() => {
            dismiss(id)
            action.run()
          }}>{action.title}</button>}
          <button type="button" class="quiet" aria-label="Close the message"
            onClick={() => dismiss(id)}>×</button></p>))}
    </section>
  )
}
