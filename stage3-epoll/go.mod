module fourways/stage3-epoll

go 1.26.0

require (
	fourways/shared v0.0.0
	fourways/tests v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace (
	fourways/shared => ../shared
	fourways/tests => ../tests
)
