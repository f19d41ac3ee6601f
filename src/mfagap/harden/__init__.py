"""From an org's policies and its log to the gap, the change that closes it, and the proof."""
