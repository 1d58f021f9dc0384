// Package words has the words of a shell: commands that somebody types are split into them, and
// commands to repeat consist of them.
//
// The rules are a small part of those of sh(1): quotes, backslashes and blanks. What must not be
// done: nothing may be expanded here, so that what somebody types reaches the server as it is.
package words

import (
	"fmt"
	"strings"
)

// Split splits a command as a shell does: blanks separate, quotes group, a
// backslash outside single quotes takes the next character as it is.
func Split(text string) (words []string, err error) {
	var word strings.Builder
	inWord, escaped, quote := false, false, rune(0)
	for _, c := range text {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			inWord, quote = true, c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quotation mark or backslash at the end of %q is left open", text)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// Quote makes one word of a text for a shell.
func Quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Word is Quote where a shell needs it.
func Word(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("-_./,:=+@%", r) && !isAlnum(r) }) {
		return text
	}
	return Quote(text)
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
