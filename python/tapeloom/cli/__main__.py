"""``python -m tapeloom.cli`` where the ``tapeloom`` script is not on the path."""

from tapeloom.cli import main

main()
