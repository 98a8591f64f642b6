// Renders a chart as `helm template` does, where Helm cannot be had: Go's templates with sprig's functions,
// and the few that Helm adds itself. It knows no subcharts, no hooks and no cluster.
//
//	go run render.go CHART VALUES...   prints the documents, one after the other
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
)

type values = map[string]interface{}

func main() {
	chart := os.Args[1]
	chosen := read(filepath.Join(chart, "values.yaml"))
	for _, file := range os.Args[2:] {
		chosen = merged(chosen, read(file))
	}
	about := values{}
	for name, value := range read(filepath.Join(chart, "Chart.yaml")) {
		about[strings.ToUpper(name[:1])+name[1:]] = value
	}
	context := values{
		"Values":  chosen,
		"Chart":   about,
		"Release": values{"Name": "cache", "Namespace": "default", "Service": "Helm", "Revision": 1},
	}
	files, _ := filepath.Glob(filepath.Join(chart, "templates", "*"))
	sort.Strings(files)
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(sprig.TxtFuncMap()).Funcs(functions(all))
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		template.Must(all.New(filepath.Base(file)).Parse(string(text)))
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".yaml") {
			fmt.Printf("---\n# %s\n%s\n", filepath.Base(file), rendered(all, filepath.Base(file), context))
		}
	}
	fmt.Fprint(os.Stderr, rendered(all, "NOTES.txt", context))
}

// What Helm adds to sprig.
func functions(all *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, given interface{}) string { return rendered(all, name, given) },
		"toYaml": func(given interface{}) string {
			text, err := yaml.Marshal(given)
			check(err)
			return strings.TrimSuffix(string(text), "\n")
		},
		"required": func(problem string, given interface{}) (interface{}, error) {
			if given == nil || given == "" {
				return nil, fmt.Errorf("%s", problem)
			}
			return given, nil
		},
	}
}

func rendered(all *template.Template, name string, given interface{}) string {
	var text bytes.Buffer
	check(all.ExecuteTemplate(&text, name, given))
	return strings.ReplaceAll(text.String(), "<no value>", "")
}

func read(file string) values {
	text, err := os.ReadFile(file)
	check(err)
	found := values{}
	check(yaml.Unmarshal(text, &found))
	return found
}

// The second over the first; null takes a key away, as in Helm.
func merged(base, over values) values {
	for name, value := range over {
		inner, nests := value.(values)
		known, had := base[name].(values)
		switch {
		case nests && had:
			base[name] = merged(known, inner)
		case value == nil:
			delete(base, name)
		default:
			base[name] = value
		}
	}
	return base
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
