module towbar.example/client

go 1.19

require github.com/rollbar/rollbar-go v1.4.5
