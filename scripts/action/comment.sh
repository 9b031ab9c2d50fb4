#!/usr/bin/env bash
# Posts the comment for the action. What keeps it from being posted is shown and fails nothing: the
# verdict is the gate's, and a pull request from a fork cannot have a comment from here.
set -uo pipefail

said=$(mktemp)
trap 'rm -f "$said"' EXIT
python=$(command -v python || command -v python3)
# -P: modules of the current folder, which the pull request brings, are not imported.
url=$("$python" -P -m pytest_energy comment "$REPORT_PATH" --post --name="$COMMENT_NAME" 2>"$said")
code=$?

text=$(<"$said")
text=${text//'%'/'%25'}
text=${text//$'\r'/'%0D'}
text=${text//$'\n'/'%0A'}
case $code in
  0) [[ -z $text ]] || echo "::notice title=pytest-energy::$text" ;;
  3) echo "::notice title=pytest-energy::$text" ;;
  *) echo "::warning title=pytest-energy::$text" ;;
esac
if [[ $code == 0 ]]; then
  echo "comment-url=$url" >>"$GITHUB_OUTPUT"
fi
