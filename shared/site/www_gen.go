//go:build ignore

// This program draws the sample site's pictures: go generate ./site.
//
// It is run by hand, and its pictures are committed. Nothing of it is part of the server.
package main

import (
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log"
	"math"
	"os"
)

// Colours of the four ways, from the first stage to the last.
var ways = [4]color.NRGBA{
	{0x2f, 0x6f, 0xed, 0xff},
	{0x12, 0x9e, 0x8a, 0xff},
	{0xe8, 0x8b, 0x1a, 0xff},
	{0xc9, 0x3a, 0x6b, 0xff},
}

func main() {
	save("www/logo.png", func(f *os.File) error { return png.Encode(f, paint(256, 256, bars)) })
	save("www/logo2.png", func(f *os.File) error { return png.Encode(f, paint(256, 256, arcs)) })
	save("www/photo.jpg", func(f *os.File) error {
		return jpeg.Encode(f, paint(960, 600, hills), &jpeg.Options{Quality: 82})
	})
}

func save(name string, write func(*os.File) error) {
	f, err := os.Create(name)
	if err != nil {
		log.Fatal(err)
	}
	if err := write(f); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

// paint samples a picture sixteen times a pixel. at gets coordinates from 0 to 1 over
// the width, with the same unit downwards.
func paint(width, height int, at func(x, y float64) color.NRGBA) image.Image {
	const grid = 4
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for py := range height {
		for px := range width {
			var r, g, b, a float64
			for i := range grid * grid {
				x := (float64(px) + (float64(i%grid)+0.5)/grid) / float64(width)
				y := (float64(py) + (float64(i/grid)+0.5)/grid) / float64(width)
				c := at(x, y)
				alpha := float64(c.A)
				r, g, b, a = r+float64(c.R)*alpha, g+float64(c.G)*alpha, b+float64(c.B)*alpha, a+alpha
			}
			if a > 0 {
				img.SetNRGBA(px, py, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a / (grid * grid))})
			}
		}
	}
	return img
}

// bars are four rounded bars of growing height.
func bars(x, y float64) color.NRGBA {
	for i, c := range ways {
		left := 0.10 + 0.21*float64(i)
		top := 0.62 - 0.165*float64(i)
		const width, bottom, radius = 0.17, 0.90, 0.05
		dx := math.Max(math.Max(left+radius-x, x-(left+width-radius)), 0)
		dy := math.Max(math.Max(top+radius-y, y-(bottom-radius)), 0)
		if math.Hypot(dx, dy) <= radius {
			return c
		}
	}
	return color.NRGBA{}
}

// arcs are four arcs around one point, each waiting a little longer.
func arcs(x, y float64) color.NRGBA {
	dx, dy := x-0.5, y-0.5
	angle := math.Mod(math.Atan2(dx, -dy)+2*math.Pi, 2*math.Pi) // clockwise from the top
	for i, c := range ways {
		radius, sweep := 0.42-0.095*float64(i), (0.92-0.17*float64(i))*2*math.Pi
		d := math.Abs(math.Hypot(dx, dy) - radius)
		end := math.Min(angle, 2*math.Pi-angle)
		if angle > sweep {
			end = math.Min(math.Abs(angle-sweep), 2*math.Pi-angle)
			d = math.Hypot(d, 2*radius*math.Sin(end/2)) // round ends
		}
		if d <= 0.033 {
			return c
		}
	}
	return color.NRGBA{}
}

// hills are an evening over four ranges of hills.
func hills(x, y float64) color.NRGBA {
	c := mix(color.NRGBA{0x1b, 0x2a, 0x5e, 0xff}, color.NRGBA{0xf7, 0xb2, 0x6a, 0xff}, math.Pow(y/0.42, 1.4))
	if glow := math.Hypot(x-0.68, y-0.26); glow < 0.055 {
		c = color.NRGBA{0xff, 0xee, 0xc8, 0xff}
	} else {
		c = mix(color.NRGBA{0xff, 0xd9, 0x9a, 0xff}, c, 0.45+glow*1.6)
	}
	for i := range 4 {
		f := float64(i)
		ridge := 0.33 + 0.075*f + 0.035*math.Sin(x*(5+2.3*f)+1.7*f) + 0.014*math.Sin(x*(17-2*f)+f)
		if y > ridge {
			c = mix(color.NRGBA{0x6b, 0x5b, 0x8c, 0xff}, color.NRGBA{0x12, 0x18, 0x33, 0xff}, (f+math.Min((y-ridge)*2, 0.6))/3.6)
		}
	}
	return c
}

func mix(a, b color.NRGBA, t float64) color.NRGBA {
	t = math.Max(0, math.Min(1, t))
	part := func(from, to uint8) uint8 { return uint8(float64(from) + t*(float64(to)-float64(from))) }
	return color.NRGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 0xff}
}
