module fourways/docs

go 1.26.0

require github.com/stretchr/testify v1.12.1

require github.com/yuin/goldmark v1.8.7

require golang.org/x/sys v0.49.0

require (
	fourways/shared v0.0.0
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace fourways/shared => ../shared
