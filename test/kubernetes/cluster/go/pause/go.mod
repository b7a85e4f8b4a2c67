module perigee.invalid/test/pause

go 1.24.0
