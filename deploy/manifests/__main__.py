"""`make manifests`: render every folder, check each document and all of them together."""

import sys
from collections.abc import Iterator, Sequence

from manifests import arrows, pods, references, schemas
from manifests.rendering import FOLDERS, WHOLE, Document, RenderError, kubectl, render


def check(documents: Sequence[Document], *, whole: bool) -> Iterator[str]:
    """Yield every problem of the documents of one folder."""
    for document in documents:
        place = f"{document['kind']} {document['metadata']['name']}"
        for problem in (*schemas.problems(document), *pods.problems(document)):
            yield f"{place}: {problem}"
    yield from references.problems(documents, whole=whole)
    if any(document["kind"] == "Deployment" for document in documents):
        yield from arrows.problems(documents)


def main() -> int:
    """Check everything; return the exit status."""
    if kubectl() is None:
        sys.stderr.write("kubectl is not installed: it renders the manifests\n")
        return 69
    wrong = 0
    for folder in FOLDERS:
        try:
            documents = render(folder)
        except RenderError as error:
            documents, found = [], [str(error)]
        else:
            found = list(check(documents, whole=folder in WHOLE))
        wrong += len(found)
        print(f"{folder:32} {len(documents):3} documents, {len(found) or 'no'} problems")
        for problem in found:
            print(f"  {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
