"""`python -m observability`: write what is made of the metrics and of the alerts."""

from observability.files import written

if __name__ == "__main__":
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
