// Instead of a page whose code has failed: what happened, and the ways back. What was written is on
// the cluster or this device already.
import { Component, type ComponentChildren } from 'preact'

import { messageOf } from '../cluster/poll'

interface Props { children: ComponentChildren }

export class Failure extends Component<Props, { error: unknown }> {
  override state = { error: null as unknown }
  static override getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error }
  }
  override render() {
    const { error } = this.state
    if (error === null) return this.props.children
    const leave = () => this.setState({ error: null })
    return (
      <main id="main" class="page"><h1>This page has failed</h1>
        <p class="error" role="alert">{messageOf(error)}</p>
        <p>That is a mistake in Coterie. What you wrote is kept.</p>
        <p class="actions">
          <button type="button" class="main" onClick={() => location.reload()}>Load it again</button>
          <a href="#/" onClick={leave}>Back to the documents</a></p></main>
    )
  }
}
