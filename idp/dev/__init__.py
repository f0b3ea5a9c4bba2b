"""Development mode only: a demo app, a demo API and a mail catcher. Production never imports this package."""
