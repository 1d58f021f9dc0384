module fourways/stage4-prefork

go 1.26.0

require (
	fourways/shared v0.0.0
	fourways/stage3-epoll v0.0.0
	fourways/tests v0.0.0
	github.com/coreos/go-systemd/v22 v22.7.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/stretchr/testify v1.12.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace (
	fourways/shared => ../shared
	fourways/stage3-epoll => ../stage3-epoll
	fourways/tests => ../tests
)
