"""`python -m proxy` is `reprise`."""

from proxy.cli import main

if __name__ == "__main__":
    main(prog_name="reprise")
