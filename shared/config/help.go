package config

import (
	"fmt"
	"strings"
)

// help is the text of -h: the flags by group, each with its unit, its default and whether it
// repeats.
func help(stage Stage, flags []Flag) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Four Ways to Wait, stage %d: %s\n\n", stage.Number, stage.Title)
	fmt.Fprintf(&b, "Usage: %s [flags] [PORT [HOST [WORKERS]]]\n", stage.Name)
	group := ""
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fmt.Fprintf(&b, "  %s\n        %s\n", strings.TrimSpace("-"+f.Name+" "+f.Unit), f.Help+f.remarks())
	}
	fmt.Fprintf(&b, "\nEvery flag may also stand in the file of -%s, without its dash, and in the environment: -max-head is\n", flagConfig)
	fmt.Fprintf(&b, "%s. A flag beats the environment, which beats the file. A variable that is empty\nis as none. HUP has the file read again; what is fixed stays as it was until the server is started\nanew.\n\n", envName("max-head"))
	b.WriteString("SECONDS, BYTES, KIB and MIB say what a number alone is. Instead, a time may have units, as 500ms, 30s,\n5m, 1h30m or 2d, and so may a size, as 512K, 1.5M or 10G, which are powers of 1,024.\n")
	return b.String()
}

// remarks is what the table's columns add to the help phrase.
func (f Flag) remarks() string {
	var parts []string
	if f.Repeat {
		parts = append(parts, "repeatable")
	}
	if f.Default != "" {
		parts = append(parts, "default "+f.Default)
	}
	if f.Fixed {
		parts = append(parts, "fixed")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
