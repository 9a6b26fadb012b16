"""What several publishers share: one base a platform, so that a spider only says what is its own."""
