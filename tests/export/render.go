// Renders a chat with a Go template as Ollama does: .System is every system prompt, .Messages are all turns.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var jobs []struct {
		Template string
		Messages []*message
	}
	check(json.NewDecoder(os.Stdin).Decode(&jobs))
	var texts []string
	for _, job := range jobs {
		made, err := template.New("").Option("missingkey=zero").Parse(job.Template)
		check(err)
		var system []string
		for _, one := range job.Messages {
			if one.Role == "system" {
				system = append(system, one.Content)
			}
		}
		var text strings.Builder
		check(made.Execute(&text, map[string]any{"System": strings.Join(system, "\n\n"), "Messages": job.Messages, "Response": ""}))
		texts = append(texts, text.String())
	}
	check(json.NewEncoder(os.Stdout).Encode(texts))
}
